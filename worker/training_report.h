#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "proto/wire.pb.h"
#include "worker/work.h"

namespace sherd {

// Where a worker stands in the epoch: which tasks it was given, what of them it has pushed and what every shard
// has acknowledged; and what the next PROGRESS says. Thread-safe.
class TrainingReport {
 public:
  // A TRAIN or END_EPOCH task arrived. The first one of an epoch begins the epoch at its start_clock.
  void Lease(const proto::Task& task);
  // In the order of the clocks.
  void Pushed(const Work& work);
  void Acknowledged(const Work& work);
  // RETIRE was sent: no push of this epoch follows.
  void RetireSent();
  // All shards have acknowledged the work's RETIRE and all that came before.
  void Retired();
  void Restarted(const proto::Restarted& shard);

  struct Stand {
    bool active = false;   // an epoch is begun, and RETIRE is not sent
    bool idle = false;     // all tasks are pushed to their ends
    bool retired = false;  // from the epoch, on every shard
    std::uint32_t epoch = 0, round = 0;
    std::uint64_t next_clock = 0;    // of the next push
    std::uint64_t acknowledged = 0;  // clocks that every shard has acknowledged
  };
  Stand stand() const;

  // Where the worker is, for a scheduler that does not know it: every task of the round, with what is acknowledged of
  // it.
  proto::WorkerStand Tell() const;
  // Of every task of the epoch: what is pushed.
  std::vector<proto::ChunkPosition> PushedPositions() const;
  // What was acknowledged since the last call, with the positions of the chunks that moved on.
  proto::Progress Take();

 private:
  struct Position {
    proto::ChunkPosition pushed, acknowledged;
    bool moved = false;
    std::vector<std::uint32_t> applied;  // the task's
  };
  using TaskId = std::pair<std::uint64_t, std::uint32_t>;  // chunk, first minibatch
  static TaskId IdOf(const proto::Task& task) { return {task.chunk().id(), task.first_minibatch()}; }
  static void Advance(const Work& work, proto::ChunkPosition* position);

  mutable std::mutex mutex_;
  Stand stand_;
  bool begun_ = false;  // the epoch in stand_ is one
  std::map<TaskId, Position> tasks_;
  std::size_t open_tasks_ = 0;  // not pushed to their ends
  proto::Progress progress_;
  std::array<std::uint32_t, kLogitBins> positive_{}, negative_{};
  bool has_logits_ = false;
  struct Answers {
    std::uint64_t count = 0;
    double seconds = 0;
  };
  std::vector<Answers> answers_;  // by shard, to pushes
};

}  // namespace sherd
