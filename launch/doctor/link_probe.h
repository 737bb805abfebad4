#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "base/status.h"
#include "net/mailbox.h"
#include "proto/doctor.pb.h"

namespace sherd {

// Answers the probes of other ranks, on a thread of its own, with the time of this host. Thread-compatible.
class LinkEcho {
 public:
  // At "tcp://ADDRESS:*". `network` must outlive it.
  static Result<std::unique_ptr<LinkEcho>> Start(Network* network, const std::string& endpoint);
  ~LinkEcho();

  // With the port filled in.
  const std::string& endpoint() const { return endpoint_; }

 private:
  explicit LinkEcho(std::unique_ptr<Mailbox> mailbox);
  void Run();

  const std::unique_ptr<Mailbox> mailbox_;
  const std::string endpoint_;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

// The way to the echo at an endpoint: can it be reached, how long does that take, how much goes through in a tenth of a
// second. Takes at most a few seconds.
proto::LinkReport ProbeLink(Network* network, const std::string& endpoint);

}  // namespace sherd
