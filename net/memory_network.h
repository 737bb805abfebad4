#pragma once

#include <cstdint>
#include <memory>

#include "net/mailbox.h"

namespace sherd {

struct MemoryOptions {
  std::uint64_t job = 0;
  std::size_t max_frame_bytes = kMaxFrameBytes;
  std::size_t queue_messages = 4096;  // a mailbox; further ones are refused by Send
};

// Mailboxes within one process without ZeroMQ: the same checks on headers and frames over a mutex and queues, so that
// the thread sanitizer sees every hand-over. Endpoints are "inproc://name"; a mailbox may be closed and another one
// bound to its name, as over tcp. Frames are never copied. Thread-safe; outlives its mailboxes.
class MemoryNetwork : public Network {
 public:
  explicit MemoryNetwork(MemoryOptions options);
  ~MemoryNetwork() override;

  std::unique_ptr<Mailbox> Open() override;

 private:
  class Hub;
  class MemoryMailbox;

  const std::unique_ptr<Hub> hub_;
};

}  // namespace sherd
