#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sherd::protocol {

// What keeps a job's updates safe, rule by rule, with where the code has it. The checker shows that all of them
// together suffice, and that each is needed: without it there is a violation (protocol_check.cc).
enum class Rule : std::uint8_t {
  kAnswersWait,      // OperationLog::Answer: until the follower has all that was done before
  kSequences,        // Shard::HandleOrdered: a push with a number that was taken is answered, and not done
  kCopyOfSequences,  // Shard::State: a new follower begins with its primary's sequence numbers
  kJoinedBeforeMap,  // Scheduler::Impl::Joined: a new follower is one by the map when it has everything, not before
  kJoiningGates,     // Shard::HasAcknowledged: answers wait for a new follower from when it has the copy
  kAloneByMap,       // Shard::TakeMap: a primary goes on alone by a map alone
  kOutIsOut,         // ShardPlacement::DropFollower: who is out by a map is not promoted
  kPrimaryRefuses,   // Shard::HandleOperation: who is a primary refuses operations, and so tells the one before
  kNewerMapsOnly,    // Shard::HandleShardMap: a map as old as the one that a shard goes by changes nothing
  kSeatRemembers,    // ShardThread::HandleIdle: where a shard was given up an older map makes none
  kLogsHaveNames,    // OperationLog::Begin: operations and acknowledgements of another log do not count
  kOneCopyAMap,      // Shard::Join: by one map there is one attempt, for a log's name is its map
  kTermFence,        // ShardThread::SetTerm: who has registered with a scheduler refuses those before it
  kJournalFirst,     // Scheduler::Impl::JournalPlacement: a map is written down before anybody hears it
  kAbsentAreLost,    // Scheduler::Impl::LoseAbsent: who does not come to the next scheduler has no part any more
  kCount
};

inline constexpr std::array<std::string_view, static_cast<std::size_t>(Rule::kCount)> kRuleNames = {
    "answers wait",    "sequences",      "copy of sequences", "joined before map", "joining gates",
    "alone by map",    "out is out",     "primary refuses",   "newer maps only",   "seat remembers",
    "logs have names", "one copy a map", "term fence",        "journal first",     "absent are lost"};

// Those that are followed. Immutable.
class Rules {
 public:
  Rules() = default;
  static Rules Without(Rule rule) {
    Rules rules;
    rules.off_ = std::uint32_t{1} << static_cast<unsigned>(rule);
    return rules;
  }
  bool operator()(Rule rule) const { return (off_ >> static_cast<unsigned>(rule) & 1) == 0; }

 private:
  std::uint32_t off_ = 0;
};

}  // namespace sherd::protocol
