#include "scheduler/worker_clocks.h"

#include <algorithm>
#include <cmath>

namespace sherd {

void WorkerClocks::StartEpoch(std::uint64_t clock, Deadline now) {
  std::fill(workers_.begin(), workers_.end(), Worker{clock, false});
  start_clock_ = clock;
  start_ = now;
}

void WorkerClocks::Report(std::uint32_t worker, std::uint64_t clock) {
  Worker& entry = workers_.at(worker);
  entry.clock = std::max(entry.clock, clock);
}

bool WorkerClocks::all_retired() const {
  return std::all_of(workers_.begin(), workers_.end(), [](const Worker& worker) { return worker.retired; });
}

std::uint64_t WorkerClocks::greatest() const {
  std::uint64_t greatest = start_clock_;
  for (const Worker& worker : workers_) greatest = std::max(greatest, worker.clock);
  return greatest;
}

double WorkerClocks::Pace(Deadline now) const {
  const double seconds = std::max(std::chrono::duration<double>(now - start_).count(), 1e-3);
  return static_cast<double>(greatest() - start_clock_) / seconds;
}

std::uint64_t WorkerClocks::Ahead(Clock::duration lead, std::uint32_t max_in_flight, Deadline now) const {
  const double clocks = std::ceil(Pace(now) * std::chrono::duration<double>(lead).count());
  return greatest() + static_cast<std::uint64_t>(clocks) + 2 * std::uint64_t{max_in_flight} + 2;
}

Clock::duration WorkerClocks::TimeTo(std::uint64_t clock, Deadline now) const {
  const double pace = Pace(now);
  if (pace <= 0 || clock <= greatest()) return {};
  const std::chrono::duration<double> time(static_cast<double>(clock - greatest()) / pace);
  return std::chrono::duration_cast<Clock::duration>(time);
}

}  // namespace sherd
