#pragma once

#include <cstdint>
#include <vector>

#include "net/mailbox.h"

namespace sherd {

// How far each worker is within an epoch, in clocks, as far as it has said. Thread-compatible.
class WorkerClocks {
 public:
  explicit WorkerClocks(std::uint32_t workers) : workers_(workers) {}
  // There are so many now; the new ones have retired from the epoch that is under way.
  void Grow(std::uint32_t workers) { workers_.resize(workers); }

  // All workers go on from `clock`; none has retired.
  void StartEpoch(std::uint64_t clock, Deadline now);
  void Report(std::uint32_t worker, std::uint64_t clock);
  void Retire(std::uint32_t worker) { workers_.at(worker).retired = true; }

  bool retired(std::uint32_t worker) const { return workers_.at(worker).retired; }
  bool all_retired() const;
  std::uint64_t greatest() const;
  std::uint64_t clock(std::uint32_t worker) const { return workers_.at(worker).clock; }
  // A clock that no worker will reach within `lead`, at the epoch's pace so far: in this time all can be told of it.
  std::uint64_t Ahead(Clock::duration lead, std::uint32_t max_in_flight, Deadline now) const;
  // How long it takes until a worker is there, at the same pace; nothing when none has moved yet.
  Clock::duration TimeTo(std::uint64_t clock, Deadline now) const;

 private:
  double Pace(Deadline now) const;  // clocks a second

  struct Worker {
    std::uint64_t clock = 0;
    bool retired = true;  // between epochs all are
  };
  std::vector<Worker> workers_;
  std::uint64_t start_clock_ = 0;
  Deadline start_;
};

}  // namespace sherd
