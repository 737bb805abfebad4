#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "net/curve_keys.h"
#include "net/mailbox.h"

namespace sherd {

struct ZmqOptions {
  std::uint64_t job = 0;          // fingerprint; messages of other jobs are refused
  std::optional<CurveKeys> keys;  // encrypts and authenticates every tcp connection; none: plain tcp
  std::size_t max_frame_bytes = kMaxFrameBytes;
  int queue_messages = 4096;               // a peer; further ones are refused by Send
  std::chrono::milliseconds linger{2000};  // for what is still queued when a mailbox is closed
  int io_threads = 1;
};

class ZmqContext;

// Mailboxes over ZeroMQ: one ROUTER socket where a mailbox is bound, one DEALER for each peer it connects to. All
// mailboxes of one ZmqNetwork reach one another over "inproc://", where Connect may come before Bind. The one door to
// libzmq. Thread-safe; outlives its mailboxes; its end waits for what they left queued, at most `linger`.
class ZmqNetwork : public Network {
 public:
  // Invalid: a key is not one. Io: libzmq has no means left.
  static Result<std::unique_ptr<ZmqNetwork>> Create(ZmqOptions options);
  ~ZmqNetwork() override;

  std::unique_ptr<Mailbox> Open() override;
  // Messages that its mailboxes have refused as damaged on the way, or as none of the job's.
  std::uint64_t malformed() const;
  // Encrypted connections that were refused because they came with another key than the job's client key.
  std::uint64_t refused_connections() const;

 private:
  explicit ZmqNetwork(std::unique_ptr<ZmqContext> context);

  const std::unique_ptr<ZmqContext> context_;
};

}  // namespace sherd
