#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"

namespace sherd::bench {

// Stands between the ends of TCP connections and hands their bytes on, each way so much later, as a long line does: it
// delays, and does not slow down. Thread-compatible.
class DelayProxy {
 public:
  // Listens on a free port of this host and connects whoever comes there to `target`, "tcp://127.0.0.1:port".
  static Result<std::unique_ptr<DelayProxy>> Start(const std::string& target, std::chrono::milliseconds delay);
  ~DelayProxy();

  // "tcp://127.0.0.1:port".
  const std::string& endpoint() const { return endpoint_; }

 private:
  class Flow;

  DelayProxy(int listener, int port, int target_port, std::chrono::milliseconds delay);
  void Run();
  void Accept();

  const int listener_, target_port_;
  const std::chrono::milliseconds delay_;
  const std::string endpoint_;
  std::vector<std::unique_ptr<Flow>> flows_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace sherd::bench
