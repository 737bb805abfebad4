#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "net/mailbox.h"

namespace sherd {

// The keys of a job in Z85 text (40 characters each). Every rank holds them all: whoever has the client pair may talk
// to the job, whoever has the server pair may be talked to. Secrets; never logged.
struct CurveKeys {
  std::string server_public, server_secret;
  std::string client_public, client_secret;
};

// Fresh keys from the system's random numbers.
CurveKeys MakeCurveKeys();

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
  // Encrypted connections that were refused because they came with another key than the job's client key.
  std::uint64_t refused_connections() const;

 private:
  explicit ZmqNetwork(std::unique_ptr<ZmqContext> context);

  const std::unique_ptr<ZmqContext> context_;
};

}  // namespace sherd
