#include "launch/plan/trial_run.h"

#include <sys/resource.h>

#include <future>
#include <memory>
#include <optional>

#include "base/file.h"
#include "base/job_file.h"
#include "base/manifest.h"
#include "base/simd.h"
#include "launch/memory_budget.h"
#include "launch/plan/counting_network.h"
#include "launch/roles.h"
#include "launch/scheduler_role.h"
#include "net/zmq_network.h"
#include "scheduler/scheduler.h"

namespace sherd {
namespace {

double ProcessSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * t.tv_usec; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class SampledChunks : public ChunkSource {
 public:
  explicit SampledChunks(const DataSample& sample) : sample_(sample) {}
  bool Has(proto::Chunk::Set set) override { return set == proto::Chunk::TRAIN; }
  Result<std::vector<proto::Chunk>> Chunks(proto::Chunk::Set, std::uint32_t, std::uint32_t) override {
    return sample_.chunks;
  }

 private:
  const DataSample& sample_;
};

// Watches the run, and ends it when its time is over.
class TrialWatch : public Observer {
 public:
  TrialWatch(double most_seconds, TrialRun* run) : most_seconds_(most_seconds), run_(run) {}

  void Watch(Scheduler* scheduler) { scheduler_ = scheduler; }
  bool timed_out() const { return timed_out_; }

  void OnProgress(const ProgressReport& report) override {
    if (report.rows == 0) return;
    const Stand now{report.seconds, report.rows, ProcessSeconds()};
    if (!first_) first_ = now;
    last_ = now;
    if (report.seconds - first_->seconds < most_seconds_ || timed_out_) return;
    timed_out_ = true;
    run_->stages = report.stages;
    scheduler_->RequestStop();
  }
  void OnCheckpoint(const std::string& dir, std::uint64_t, double seconds) override {
    run_->checkpoint_seconds = seconds;
    const auto manifest = OpenCheckpoint(dir);
    if (!manifest.ok()) return;
    for (const proto::ShardFile& file : manifest->file()) {
      run_->checkpoint_bytes += static_cast<double>(file.bytes());
      run_->checkpoint_rows += file.rows();
    }
  }
  void OnDone(const DoneReport& report) override { run_->stages = report.stages; }

  // Once it is over. A run that was too short for two reports is told by all of it.
  void Conclude() {
    if (!last_) return;
    run_->rows = last_->rows;
    run_->seconds = last_->seconds;
    Stand begin = *first_;
    if (last_->rows < 2 * begin.rows) begin = {};
    const auto rows = static_cast<double>(last_->rows - begin.rows);
    run_->rows_per_second = rows / (last_->seconds - begin.seconds);
    run_->cpu_seconds_a_row = (last_->cpu - (begin.rows > 0 ? begin.cpu : cpu_at_start_)) / rows;
  }

 private:
  struct Stand {
    double seconds = 0;
    std::uint64_t rows = 0;
    double cpu = 0;
  };

  const double most_seconds_;
  TrialRun* const run_;
  Scheduler* scheduler_ = nullptr;
  const double cpu_at_start_ = ProcessSeconds();
  std::optional<Stand> first_, last_;
  bool timed_out_ = false;
};

// One pass over the sample, that nothing but rows and time ends.
proto::Job TrialJob(const proto::Job& job, const std::string& checkpoints) {
  proto::Job trial = job;
  trial.mutable_train()->set_epochs(1);
  trial.clear_checkpoint();
  trial.mutable_checkpoint()->set_dir(checkpoints);
  trial.mutable_checkpoint()->set_compression(job.checkpoint().compression());
  trial.mutable_data()->clear_follow();
  trial.clear_warm_start();
  return trial;
}

Status RunAll(const LoadedJob& loaded, const DataSample& sample, const std::string& checkpoints, Network* network,
              std::uint64_t job_id, TrialWatch* watch, SignalWatch* signals) {
  const Binding binding{.kind = Binding::Kind::kInproc, .where = ""};
  JobPlan plan{.job = TrialJob(loaded.job, checkpoints),
               .model = loaded.model,
               .roles = loaded.plan,
               .predict = false,
               .job_id = job_id,
               .scheduler_endpoint = "",
               .memory_budget = ServerMemoryBudget(loaded.job.cluster(), HostMemory(), loaded.plan.servers),
               .worker_cores = WorkerCores(loaded.plan.workers)};
  SchedulerOptions options;
  options.job_id = job_id;
  options.job = plan.job;
  options.model = loaded.model;
  options.statistics = sample.statistics;
  options.servers = loaded.plan.servers;
  options.workers = loaded.plan.workers;
  options.bind_endpoint = binding.Endpoint("scheduler");
  options.simd = CurrentSimd();
  options.checkpoint_dir = checkpoints;
  options.job_text = JobToText(plan.job);
  SampledChunks chunks(sample);
  Scheduler scheduler(network, std::move(options), &chunks, watch);
  watch->Watch(&scheduler);
  ASSIGN_OR_RETURN(plan.scheduler_endpoint, scheduler.Bind());
  std::vector<std::future<Status>> others;
  for (std::uint32_t rank = 1; rank <= plan.roles.servers + plan.roles.workers; ++rank) {
    const RankRole role = RoleOfRank(plan.roles, rank);
    others.push_back(std::async(std::launch::async, [&, role] { return RunRole(network, plan, role, binding); }));
  }
  signals->OnStop([&](const std::string&) { scheduler.RequestStop(); });
  const Status status = scheduler.Run();
  signals->OnStop(nullptr);
  for (auto& other : others) other.wait();
  return status;
}

}  // namespace

Result<TrialRun> RunTrial(const LoadedJob& loaded, const DataSample& sample, double seconds, const std::string& folder,
                          SignalWatch* signals) {
  RETURN_IF_ERROR(UseSimd(BestSimd()));
  const std::uint64_t job_id = MakeJobId();
  ASSIGN_OR_RETURN(const auto network, ZmqNetwork::Create({.job = job_id, .keys = std::nullopt}));
  CountingNetwork counting(network.get());
  TrialRun run;
  TrialWatch watch(seconds, &run);
  Status status = RunAll(loaded, sample, folder, &counting, job_id, &watch, signals);
  if (watch.timed_out() && !status.ok() && status.code() == ErrorCode::kStopped) status = {};
  RETURN_IF_ERROR(status.Annotate("the short run"));
  watch.Conclude();
  if (run.rows > 0) run.network_bytes_a_row = static_cast<double>(counting.bytes()) / static_cast<double>(run.rows);
  return run;
}

}  // namespace sherd
