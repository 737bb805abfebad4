#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "net/mailbox.h"

namespace sherd::bench {

constexpr std::uint64_t kBenchJob = 4;

// A server in a process of its own, over plain tcp on this host. It is killed when this object goes, or when the
// benchmark dies. Thread-compatible.
class ServerProcess {
 public:
  // What the process does; `mailbox` is bound already. It need not return.
  using Serve = std::function<void(Network* network, std::unique_ptr<Mailbox> mailbox)>;

  // To be called while this process has one thread.
  static Result<std::unique_ptr<ServerProcess>> Start(const Serve& serve);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;

  const std::string& endpoint() const { return endpoint_; }
  // That it has used so far, all its threads.
  double CpuSeconds() const;

 private:
  ServerProcess(pid_t pid, std::string endpoint) : pid_(pid), endpoint_(std::move(endpoint)) {}

  const pid_t pid_;
  const std::string endpoint_;
};

}  // namespace sherd::bench
