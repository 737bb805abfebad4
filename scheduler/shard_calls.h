#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "net/requester.h"

namespace sherd {

// The scheduler's requests to shards, each with its deadline and what follows from its answer. A Requester below
// repeats what is lost. Confined to the mailbox's thread.
class ShardCalls {
 public:
  // What follows: gets the answer's message, or why there is none (an answer that is not OK, the deadline).
  using Then = std::function<void(Result<Message>)>;

  ShardCalls(Mailbox* mailbox, std::uint64_t job, std::chrono::milliseconds retry_after);

  // Connects to all shards of the map.
  Status Connect(const proto::ShardMap& map);
  std::uint32_t shards() const { return static_cast<std::uint32_t>(peers_.size()); }

  // `message` is of MakeControl, or has no frames; the header is completed here. `what` names the request and the
  // shard.
  void Send(std::uint32_t shard, Message message, std::string what, Clock::duration timeout, Then then);
  // A reply has come. One that nobody waits for is ignored.
  void Take(Envelope envelope);
  // Repeats what is due and ends what is overdue.
  Status Tick(Deadline now);
  // Nobody waits for an answer any more.
  void Forget() { calls_.clear(); }

 private:
  struct Call {
    std::string what;
    Clock::duration timeout;
    Deadline deadline;
    Then then;
  };

  Mailbox* const mailbox_;
  const std::uint64_t job_;
  Requester requester_;
  std::vector<Peer> peers_;
  std::map<std::uint64_t, Call> calls_;  // by request number
};

}  // namespace sherd
