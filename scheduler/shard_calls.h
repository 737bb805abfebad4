#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
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

  // `term`: of the scheduler; shards that have heard of a later one refuse.
  ShardCalls(Mailbox* mailbox, std::uint64_t job, std::uint32_t term, std::chrono::milliseconds retry_after);

  // Goes by this map from now on: what a shard has not answered is asked again of whoever is its primary now.
  Status TakeMap(const proto::ShardMap& map);
  // Until the next map there is nobody who could answer for the shard: its deadlines begin with that map.
  void Hold(std::uint32_t shard) { held_.insert(shard); }
  std::uint32_t shards() const { return static_cast<std::uint32_t>(primaries_.size()); }

  // `message` is of MakeControl, or has no frames; the header is completed here. `what` names the request and the
  // shard.
  void Send(std::uint32_t shard, Message message, std::string what, Clock::duration timeout, Then then);
  // The same to one replica of the shard, whichever it is by the map.
  Status SendTo(const std::string& endpoint, std::uint32_t shard, Message message, std::string what,
                Clock::duration timeout, Then then);
  // A reply has come. One that nobody waits for is ignored.
  void Take(Envelope envelope);
  // Repeats what is due and ends what is overdue.
  Status Tick(Deadline now);
  // Nobody waits for an answer any more.
  void Forget() { calls_.clear(); }

 private:
  struct Call {
    std::string what;
    std::optional<std::uint32_t> shard;  // whose primary is asked, whoever it is
    Clock::duration timeout;
    Deadline deadline;
    Then then;
  };

  Result<Peer> PeerAt(const std::string& endpoint);
  // Returns the request's number.
  std::uint64_t SendToPeer(const Peer& peer, std::uint32_t shard, Message message, std::string what,
                           Clock::duration timeout, Then then);

  Mailbox* const mailbox_;
  const std::uint64_t job_;
  const std::uint32_t term_;
  Requester requester_;
  std::uint32_t map_epoch_ = 1;
  std::map<std::string, Peer> peers_;  // by endpoint
  std::vector<Peer> primaries_;        // by shard
  std::set<std::uint32_t> held_;
  std::map<std::uint64_t, Call> calls_;  // by request number
};

}  // namespace sherd
