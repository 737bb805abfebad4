#include "launch/mpirun_job.h"

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <optional>

#include "base/simd.h"
#include "launch/bootstrap.h"
#include "launch/chaos/drill.h"
#include "launch/host_address.h"
#include "launch/job_data.h"
#include "launch/job_loading.h"
#include "launch/join/joining.h"
#include "launch/keys/key_file.h"
#include "launch/memory_budget.h"
#include "launch/metrics_writer.h"
#include "launch/mpi_bootstrap.h"
#include "launch/plan_network.h"
#include "launch/process_log.h"
#include "launch/roles.h"
#include "launch/scheduler_role.h"
#include "launch/standby.h"

namespace sherd {
namespace {

// For a rank that the scheduler does not end after a signal: the checkpoint of a stop may take eleven request timeouts.
constexpr double kGraceRequestTimeouts = 12;

// ---- rank 0 --------------------------------------------------------------------------------------------------------

// In the order in which they depend on one another.
struct RankZero {
  LoadedJob loaded;
  std::unique_ptr<MetricsWriter> metrics;
  std::unique_ptr<JobData> data;
  std::unique_ptr<TemporaryDir> sockets;
  std::unique_ptr<ZmqNetwork> network;
  std::unique_ptr<ChaosDrill> drill;
  std::unique_ptr<SchedulerRole> scheduler;
};

Result<proto::LaunchPlan> Prepare(const JobRequest& request, std::uint32_t ranks, RankZero* zero) {
  ASSIGN_OR_RETURN(zero->loaded, LoadJob(request, ranks));
  ASSIGN_OR_RETURN(zero->metrics, MetricsWriter::CreateIfNamed(request.metrics));
  for (const std::string& note : zero->loaded.notes) std::cout << note << std::endl;
  ASSIGN_OR_RETURN(zero->data, JobData::Open(zero->loaded, request.command));
  proto::LaunchPlan plan;
  *plan.mutable_job() = zero->loaded.job;
  plan.set_servers(zero->loaded.plan.servers);
  plan.set_workers(zero->loaded.plan.workers);
  plan.set_spares(zero->loaded.plan.spares);
  plan.set_predict(request.command == JobRequest::Command::kPredict);
  return plan;
}

// Chooses the transport, binds the scheduler and fills the plan.
Status Settle(const JobRequest& request, const std::vector<proto::RankInfo>& ranks, RankZero* zero,
              proto::LaunchPlan* plan) {
  const proto::Cluster& cluster = zero->loaded.job.cluster();
  ASSIGN_OR_RETURN(const Choice choice, Choose(ranks, cluster));
  RETURN_IF_ERROR(UseSimd(choice.simd));
  plan->set_simd(choice.simd);
  plan->set_job_id(MakeJobId());
  if (ranks[0].has_key_fingerprint()) plan->set_key_fingerprint(ranks[0].key_fingerprint());
  if (choice.ipc) {
    ASSIGN_OR_RETURN(zero->sockets, TemporaryDir::Make());
    plan->set_ipc_dir(zero->sockets->path());
  }
  std::optional<CurveKeys> keys;
  if (choice.curve && request.key_file.empty()) {
    keys = MakeCurveKeys();
    PutKeys(*keys, plan);
  } else if (choice.curve) {
    ASSIGN_OR_RETURN(keys, ReadKeyFile(request.key_file));
  }
  plan->set_curve(choice.curve);
  ASSIGN_OR_RETURN(zero->network, NetworkOf(*plan, std::move(keys)));
  zero->drill = ChaosDrill::Make(request, zero->loaded.plan, {proto::SCHEDULER, 0}, zero->network.get());
  const std::string bind = BindingOf(*plan, ranks[0].address()).Endpoint("scheduler");
  const SchedulerRole::Seat seat{
      .job_id = plan->job_id(), .bind_endpoint = bind, .term = 1, .leaders_dir = LeadersDirOf(*plan)};
  ASSIGN_OR_RETURN(zero->scheduler, SchedulerRole::Make(zero->drill->network(), request, zero->loaded, zero->data.get(),
                                                        zero->metrics.get(), seat));
  if (zero->scheduler == nullptr) return Status::Invalid(seat.leaders_dir + ": another job runs with this folder");
  if (plan->has_key_fingerprint() && zero->scheduler->leads()) {
    RETURN_IF_ERROR(LetJoin(request, seat.leaders_dir, *plan));
  }
  plan->set_scheduler_endpoint(zero->scheduler->endpoint());
  plan->set_state(proto::LaunchPlan::GO);
  return {};
}

Status BootstrapRankZero(const JobRequest& request, RankGroup* group, RankZero* zero) {
  proto::LaunchPlan plan;
  const auto prepare = [&]() -> Result<proto::LaunchPlan> {
    ASSIGN_OR_RETURN(plan, Prepare(request, group->size(), zero));
    return plan;
  };
  RETURN_IF_ERROR(PrepareAndTell(group, prepare));
  ASSIGN_OR_RETURN(const auto ranks,
                   ExchangeInfo(group, DescribeThisRank(zero->loaded.job.cluster().interface(), request.key_file)));
  const Status settled = Settle(request, ranks, zero, &plan);
  if (!settled.ok()) plan.set_state(proto::LaunchPlan::REFUSED);
  const Status told = SendPlan(group, plan);
  TakeKeys(&plan);
  return settled.ok() ? told : settled;
}

RankOutcome RunRankZero(const JobRequest& request, std::unique_ptr<RankGroup> group, SignalWatch* signals) {
  SetLogRole("scheduler (rank 0)");
  if (std::getenv("SHERD_VERDICT_FILE") == nullptr) {
    std::cout << "started by mpirun itself: one lost rank ends the job, and Ctrl-C leaves 2 s for a checkpoint; "
                 "launch/sherd-mpirun passes what is needed against both"
              << std::endl;
  }
  RankZero zero;
  Status status = BootstrapRankZero(request, group.get(), &zero);
  group.reset();
  if (status.ok()) {
    zero.drill->Begin();
    status = zero.scheduler->Run(signals);
    TellRefused(*zero.network);
  }
  if (zero.scheduler != nullptr && zero.scheduler->replaced()) {
    if (zero.sockets != nullptr) zero.sockets->Keep();  // the others still use it
    return {status, false};
  }
  if (!status.ok() && zero.metrics != nullptr) zero.metrics->OnFailure(status.text());
  return {status, true};
}

// ---- the others ----------------------------------------------------------------------------------------------------

// Nothing: rank 0 ends the job before it begins, and says why.
Result<std::optional<proto::LaunchPlan>> BootstrapOther(const JobRequest& request, RankGroup* group,
                                                        std::vector<proto::RankInfo>* ranks) {
  ASSIGN_OR_RETURN(const auto ready, AwaitPreparation(group));
  if (!ready) return std::optional<proto::LaunchPlan>();
  ASSIGN_OR_RETURN(*ranks, ExchangeInfo(group, DescribeThisRank(ready->job().cluster().interface(), request.key_file)));
  ASSIGN_OR_RETURN(proto::LaunchPlan plan, ReceivePlan(group));
  if (plan.state() != proto::LaunchPlan::GO) return std::optional<proto::LaunchPlan>();
  return std::optional<proto::LaunchPlan>(std::move(plan));
}

// Those of a role on the host of a rank.
std::uint32_t RanksBeside(std::uint32_t rank, const std::vector<proto::RankInfo>& ranks, const RolePlan& roles,
                          proto::Role role) {
  std::uint32_t count = 0;
  for (std::uint32_t other = 0; other < ranks.size(); ++other) {
    if (ranks[other].host() == ranks.at(rank).host() && RoleOfRank(roles, other).role == role) ++count;
  }
  return count;
}

Result<RankOutcome> RunOther(const JobRequest& request, std::unique_ptr<RankGroup> group, SignalWatch* signals) {
  const std::uint32_t rank = group->rank();
  std::vector<proto::RankInfo> ranks;
  ASSIGN_OR_RETURN(auto launch, BootstrapOther(request, group.get(), &ranks));
  group.reset();
  if (!launch) return RankOutcome();
  std::optional<CurveKeys> keys = TakeKeys(&*launch);
  if (launch->curve() && !keys) {
    ASSIGN_OR_RETURN(keys, ReadKeyFile(request.key_file));
  }
  signals->EndLater(kGraceRequestTimeouts * launch->job().cluster().request_timeout());

  ASSIGN_OR_RETURN(JobPlan plan, JobPlanOf(*launch));
  RETURN_IF_ERROR(UseSimd(launch->simd()));
  const RankRole role = RoleOfRank(plan.roles, rank);
  const auto beside = [&](proto::Role role) { return RanksBeside(rank, ranks, plan.roles, role); };
  plan.memory_budget = ServerMemoryBudget(plan.job.cluster(), HostMemory(), beside(proto::SERVER));
  plan.worker_cores = WorkerCores(beside(proto::WORKER));
  SetLogRole(RoleName(role) + " (rank " + std::to_string(rank) + ")");
  ASSIGN_OR_RETURN(const auto network, NetworkOf(*launch, std::move(keys)));
  keys.reset();  // the one copy that lives is the network's
  const auto drill = ChaosDrill::Make(request, plan.roles, role, network.get());
  drill->Begin();
  const Binding binding = BindingOf(*launch, ranks.at(rank).address());
  std::atomic<bool> leave = false;
  plan.leave = &leave;
  if (role.role == proto::WORKER) signals->OnLeave([&leave] { leave = true; });
  const RankOutcome outcome = role.role == proto::SPARE
                                  ? RunSpareRank(drill->network(), request, plan, role, binding, signals)
                                  : RankOutcome{RunRole(drill->network(), plan, role, binding), false};
  signals->OnLeave(nullptr);
  TellRefused(*network);
  return outcome;
}

}  // namespace

RankOutcome RunUnderMpi(const JobRequest& request, SignalWatch* signals) {
  auto group = StartMpi([signals](const std::string& reason) { signals->End(reason); });
  if (!group.ok()) return {group.status(), RankFromEnvironment() == 0};
  if ((*group)->rank() == 0) return RunRankZero(request, std::move(group).value(), signals);
  auto outcome = RunOther(request, std::move(group).value(), signals);
  return outcome.ok() ? *outcome : RankOutcome{outcome.status(), false};
}

}  // namespace sherd
