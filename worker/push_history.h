#pragma once

#include <cstdint>
#include <vector>

#include "proto/wire.pb.h"
#include "worker/work.h"

namespace sherd {

// What a worker has pushed, as it tells a shard that has gone back to a checkpoint (docs/fault_tolerance.md, "Back to a
// checkpoint"). Thread-compatible.
class PushHistory {
 public:
  explicit PushHistory(std::uint32_t shards) : sent_(shards) {}

  // To all shards, in the order of the clocks.
  void Pushed(const Work& work);
  void Retired(const Work& work);
  // The push as one shard gets it.
  void SentTo(std::uint32_t shard, const proto::Header& push) { sent_.at(shard).Add(push); }

  // How the shard goes on: `unanswered` is what it has not acknowledged. The header gets the restart's epoch and clock.
  proto::Restart RestartOf(std::uint32_t shard, const std::vector<proto::Header>& unanswered,
                           proto::Header* header) const;

 private:
  struct Count {
    std::uint64_t pushes = 0, updates = 0;  // as in proto::Taken
    void Add(const proto::Header& push);
  };
  struct Part {  // of a chunk: a task, from its begin up to what is pushed
    std::uint64_t chunk = 0;
    std::uint32_t first = 0, end = 0;
  };

  void Enter(const proto::Task& task);

  std::vector<Count> sent_;  // by shard
  // Of the round.
  std::uint32_t epoch_ = 0, round_ = 0;
  std::uint64_t next_clock_ = 0;
  bool retired_ = false;
  std::vector<Part> parts_;
};

}  // namespace sherd
