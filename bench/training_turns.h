#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/status.h"
#include "bench/bench_case.h"
#include "bench/local_job.h"
#include "bench/memory_rows.h"

namespace sherd::bench {

// Measures a job (LocalJob, a worker a thread of options.threads) and its floor in turns.
class TrainingTurns {
 public:
  // Seconds for so many minibatches on each of as many threads.
  using Floor = std::function<double(std::uint64_t minibatches)>;

  TrainingTurns(const MemoryJob* made, const Options& options) : made_(made), options_(options) {}

  // Goes through the rows once, so that every row is in its table, then in turns. BadData: the job learns nothing.
  Status Run(const Floor& floor);
  // rows/s by medians; cpu_us: processor time a row.
  Figure figure() const;

 private:
  const MemoryJob* const made_;
  const Options options_;
  std::vector<double> ours_, theirs_, cpu_;  // seconds a row
  double loss_ = 0;
};

// So many minibatches that a turn takes about half a second.
std::uint64_t MinibatchesOfTurn(double seconds_a_minibatch);

}  // namespace sherd::bench
