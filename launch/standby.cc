#include "launch/standby.h"

#include <glog/logging.h>

#include <future>
#include <memory>
#include <utility>

#include "base/file.h"
#include "base/leadership.h"
#include "base/manifest.h"
#include "launch/job_data.h"
#include "launch/job_loading.h"
#include "launch/metrics_writer.h"
#include "launch/scheduler_role.h"

namespace sherd {
namespace {

constexpr double kMorePatience = 0.5;  // of each spare than of the one before, in heartbeat timeouts

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(1000 * seconds));
}

// The job as rank 0 has loaded it, but for older checkpoints than the one that it begins with.
Result<LoadedJob> LoadedFrom(const JobPlan& plan, const std::string& leaders_dir) {
  LoadedJob loaded;
  loaded.job = plan.job;
  loaded.model = plan.model;
  loaded.plan = plan.roles;
  ASSIGN_OR_RETURN(const proto::JobStart start, JobStartIn(leaders_dir));
  loaded.statistics = start.statistics();
  loaded.warm_start = start.warm_start();
  loaded.from_checkpoint = start.from_checkpoint();
  if (loaded.from_checkpoint.empty()) return loaded;
  // Once training has begun it is of no use, and may be gone.
  auto manifest = OpenCheckpoint(loaded.from_checkpoint);
  if (manifest.ok()) loaded.manifest = std::move(*manifest);
  return loaded;
}

// Nothing: another spare was the first to, or has taken over from this one.
Result<std::optional<Status>> LeadJob(Network* network, const JobRequest& request, const JobPlan& plan,
                                      const Binding& binding, std::uint32_t term, SignalWatch* signals) {
  const std::string& dir = plan.leaders_dir;
  ASSIGN_OR_RETURN(const LoadedJob loaded, LoadedFrom(plan, dir));
  ASSIGN_OR_RETURN(const auto data, JobData::Open(loaded, request.command));
  ASSIGN_OR_RETURN(const auto metrics, MetricsWriter::CreateIfNamed(request.metrics, MetricsWriter::Begin::kBehind));
  ASSIGN_OR_RETURN(const auto scheduler,
                   SchedulerRole::Make(network, request, loaded, data.get(), metrics.get(),
                                       {.job_id = plan.job_id,
                                        .bind_endpoint = binding.Endpoint("scheduler-" + std::to_string(term)),
                                        .term = term,
                                        .leaders_dir = dir,
                                        .verdict_file = plan.verdict_file}));
  if (scheduler == nullptr) return std::optional<Status>();
  LOG(WARNING) << "the scheduler is lost: this spare takes the job over, as its scheduler of term " << term;
  signals->EndLater(-1);
  const Status status = scheduler->Run(signals);
  if (scheduler->replaced()) return std::optional<Status>();
  if (!status.ok() && metrics != nullptr) metrics->OnFailure(status.text());
  return std::optional(status);
}

}  // namespace

bool SchedulerBeat::Lost(Deadline now) {
  const auto leader = NewestLeader(dir_, job_);
  const auto greatest = GreatestTerm(dir_);
  if (!leader.ok() || !leader->has_value() || !greatest.ok()) return false;
  const std::string beat = BeatOf(dir_, *greatest);
  if (*greatest != term_ || beat != beat_) {
    term_ = *greatest;
    beat_ = beat;
    changed_ = now;
  }
  return now - changed_ > patience_;
}

RankOutcome RunSpareRank(Network* network, const JobRequest& request, const JobPlan& plan, const RankRole& role,
                         const Binding& binding, SignalWatch* signals) {
  const double timeout = plan.job.cluster().heartbeat_timeout();
  SchedulerBeat beat(plan.leaders_dir, plan.job_id, Milliseconds(timeout * (1 + kMorePatience * role.index)));
  auto own = std::async(std::launch::async, [&] { return RunRole(network, plan, role, binding); });
  RankOutcome outcome;
  while (own.wait_for(Milliseconds(timeout / 6)) != std::future_status::ready) {
    if (!beat.Lost(Clock::now())) continue;
    auto status = LeadJob(network, request, plan, binding, beat.term() + 1, signals);
    if (!status.ok()) LOG(WARNING) << "the scheduler is lost, and can not be replaced: " << status.status().text();
    if (!status.ok()) break;
    if (!status->has_value()) continue;
    outcome = {**status, true};
    break;
  }
  const Status of_own = own.get();
  if (outcome.speaks_for_job && binding.kind == Binding::Kind::kIpc) {  // whose maker is gone
    const Status removed = RemoveTree(binding.where);
    LOG_IF(WARNING, !removed.ok()) << removed.text();
  }
  return outcome.speaks_for_job ? outcome : RankOutcome{of_own, false};
}

}  // namespace sherd
