#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "proto/wire.pb.h"
#include "scheduler/observer.h"

namespace sherd {

// Who is slower than the others, by what workers report. Whoever waits for a slow one is as slow as that by the rows
// that it trains, so it goes by what each does on its own: a worker by the time a row of its busiest stage, but for the
// exchange with the shards, which waits for others; a shard by how long workers wait for answers to their pushes, which
// no clock holds up. Thread-compatible.
class RankTimes {
 public:
  // How many times the others' median is slow.
  static constexpr double kSlowWorker = 1.5, kSlowShard = 3;
  // Seconds an answer that a shard must be behind the others: less is no hindrance.
  static constexpr double kSlowAnswer = 0.01;

  // Times that are no times count nothing.
  void Add(std::uint32_t worker, const proto::Progress& progress);
  void Add(const RankTimes& other);
  // The slowest worker and the slowest shard, where they are slow.
  std::vector<SlowRank> Report() const;

 private:
  struct Time {
    double units = 0, seconds = 0;  // rows trained, or answers
  };
  using Times = std::map<std::uint32_t, Time>;  // by rank

  Times workers_, shards_;
};

}  // namespace sherd
