#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/status.h"
#include "bench/bench_case.h"
#include "bench/local_job.h"
#include "bench/memory_rows.h"
#include "bench/turn_process.h"

namespace sherd::bench {

// Measures a job (LocalJob, a worker a thread of options.threads) in turns with its floor and the programs of
// options.against.
class TrainingTurns {
 public:
  // Seconds for so many minibatches on each of as many threads.
  using Floor = std::function<double(std::uint64_t minibatches)>;

  TrainingTurns(const MemoryJob* made, const Options& options) : made_(made), options_(options) {}

  // Goes through the rows once, so that every row is in its table, then in turns. BadData: the job learns nothing.
  Status Run(const Floor& floor);
  // rows/s by medians; cpu_us: processor time a row. The fastest of the other programs is `against`, by its number;
  // its ratios are ours to it within a turn, the median and the middle half of them.
  Figure figure() const;
  double cpu_seconds_a_row() const { return Median(cpu_); }

 private:
  struct Rival {
    std::unique_ptr<TurnProcess> process;
    std::vector<double> wall, cpu;  // seconds a row
  };

  Status StartRivals();
  void AddRival(Figure* figure) const;

  const MemoryJob* const made_;
  const Options options_;
  std::vector<double> ours_, theirs_, cpu_;  // seconds a row
  std::vector<Rival> rivals_;
  double loss_ = 0;
};

// So many minibatches that a turn takes about half a second.
std::uint64_t MinibatchesOfTurn(double seconds_a_minibatch);

}  // namespace sherd::bench
