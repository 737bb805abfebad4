#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "bench/bench_case.h"
#include "bench/compute_floor.h"
#include "bench/local_job.h"
#include "bench/memory_rows.h"
#include "bench/train_jobs.h"
#include "bench/training_turns.h"

namespace sherd::bench {
namespace {

Status Measure(const Options& options, const MemoryJob& made, const Report& report) {
  ASSIGN_OR_RETURN(const auto floor, ComputeFloor::Make(made, options.threads));
  TrainingTurns turns(&made, options);
  RETURN_IF_ERROR(turns.Run([&](std::uint64_t minibatches) { return floor->Run(minibatches); }));
  report(turns.figure());
  return {};
}

Status MeasureClicks(const Options& options, const std::string& job, const Report& report) {
  ASSIGN_OR_RETURN(const MemoryJob made, MakeClickJob(options, job));
  return Measure(options, made, report);
}

Status MeasurePairs(const Options& options, int batch, const Report& report) {
  ASSIGN_OR_RETURN(const MemoryJob made, MakePairJob(options, NeuMfJob(batch)));
  return Measure(options, made, report);
}

}  // namespace

Status TrainDeepFmSmall(const Options& options, const Report& report) {
  return MeasureClicks(options, DeepFmSmallJob(), report);
}

Status TrainWideDeep(const Options& options, const Report& report) {
  return MeasureClicks(options, WideDeepJob(), report);
}

Status TrainNeuMf(const Options& options, const Report& report) { return MeasurePairs(options, 1024, report); }

Status TrainNeuMf4096(const Options& options, const Report& report) { return MeasurePairs(options, 4096, report); }

}  // namespace sherd::bench
