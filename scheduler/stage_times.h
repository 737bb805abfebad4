#pragma once

#include <vector>

#include "proto/wire.pb.h"
#include "scheduler/observer.h"

namespace sherd {

// Sums what workers report of their stages' time. Thread-compatible.
class StageTimes {
 public:
  // A StageTime of each stage, in the order of the pipeline. Times that are no times count nothing.
  template <typename Times>
  void Add(const Times& times) {
    for (const proto::StageTime& time : times) AddOne(time);
  }
  void Add(const StageTimes& other) { Add(other.times_); }
  // Of all stages that have any time.
  std::vector<StageReport> Report() const;

 private:
  void AddOne(const proto::StageTime& time);

  std::vector<proto::StageTime> times_;  // by stage
};

}  // namespace sherd
