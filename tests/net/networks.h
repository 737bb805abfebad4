#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/mailbox.h"
#include "net/zmq_network.h"

namespace sherd {

inline constexpr std::uint64_t kJob = 0x5eed;

// The transports that every behaviour is tested over.
inline const std::vector<std::string> kTransports = {"memory", "inproc", "ipc", "tcp", "curve"};

struct Limits {
  std::size_t max_frame_bytes = std::size_t{1} << 30;
  int queue_messages = 4096;
};

// A network of one of the transports, and endpoints for it: names, a private folder, 127.0.0.1.
class Networks {
 public:
  explicit Networks(std::string transport, const std::function<void(Limits*)>& change = {});
  ~Networks();

  std::unique_ptr<Mailbox> Open() { return network_->Open(); }
  // A mailbox that listens.
  std::unique_ptr<Mailbox> Bound();
  // An endpoint that nobody is bound to yet.
  std::string FixedEndpoint();
  bool in_process() const { return transport_ == "memory" || transport_ == "inproc"; }
  Network* network() { return network_.get(); }

 private:
  const std::string transport_;
  std::string folder_;
  int endpoints_ = 0;
  std::unique_ptr<Network> network_;
};

// A network over ZeroMQ, with keys or without.
std::unique_ptr<ZmqNetwork> MakeZmq(ZmqOptions options);

// Long enough for anything on a busy machine; reached only by a failing test.
Deadline Soon();

Message Pull(std::uint64_t request, const std::vector<std::string>& frames);
std::vector<std::string> Texts(const Message& message);

}  // namespace sherd
