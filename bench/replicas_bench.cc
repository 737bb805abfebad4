// What a follower of every shard costs a job.

#include <memory>
#include <string>
#include <vector>

#include "bench/bench_case.h"
#include "bench/click_log.h"
#include "bench/job_process.h"
#include "bench/train_jobs.h"
#include "launch/temporary_dir.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kRows = 500'000;
constexpr double kLeastAuc = 0.55;  // of a job that learns at all, on either log
constexpr int kJobs = 3;            // of each kind

// Microseconds a row.
struct Costs {
  std::vector<double> wall, cpu;
};

Status Train(const std::string& folder, const std::string& log, std::uint32_t workers, int replicas, Costs* costs) {
  const std::string cluster =
      "cluster { servers: 2 workers: " + std::to_string(workers) + " replicas: " + std::to_string(replicas) + " }\n";
  const std::string data = "data { format: CRITEO_TSV train: \"" + log + "\" }\n";
  ASSIGN_OR_RETURN(const JobOutcome job, TrainJob(folder, DeepFmJob() + cluster + data));
  if (job.auc < kLeastAuc) return Status::BadData("the job has learned nothing: AUC " + std::to_string(job.auc));
  costs->wall.push_back(1e6 * job.seconds / job.rows);
  costs->cpu.push_back(1e6 * job.cpu_seconds / job.rows);
  return {};
}

Status Measure(const std::string& folder, const Options& options, const Report& report) {
  std::string log = options.click_log;
  if (log.empty()) {
    log = folder + "/log.tsv";
    RETURN_IF_ERROR(WriteClickLog(log, options.rows_or(kRows)));
  }
  Costs one, two;
  for (int turn = 0; turn < kJobs; ++turn) {
    RETURN_IF_ERROR(Train(folder, log, options.threads, 1, &one));
    RETURN_IF_ERROR(Train(folder, log, options.threads, 2, &two));
  }
  const double value = 1e6 / Median(two.wall), floor = 1e6 / Median(one.wall);
  report(Figure{.value = value, .unit = "rows/s", .floor = floor, .ratio = value / floor}
             .With("cpu_ratio", Median(one.cpu) / Median(two.cpu))
             .With("servers", 2)
             .With("workers", options.threads)
             .With("transport", "inproc"));
  return {};
}

}  // namespace

Status FaultReplicas(const Options& options, const Report& report) {
  ASSIGN_OR_RETURN(const std::unique_ptr<TemporaryDir> folder, TemporaryDir::Make());
  return Measure(folder->path(), options, report);
}

}  // namespace sherd::bench
