#include "launch/mpirun_job.h"

#include <chrono>
#include <cstdlib>
#include <future>
#include <iostream>
#include <optional>

#include "base/simd.h"
#include "launch/bootstrap.h"
#include "launch/host_address.h"
#include "launch/job_data.h"
#include "launch/job_loading.h"
#include "launch/memory_budget.h"
#include "launch/metrics_writer.h"
#include "launch/mpi_bootstrap.h"
#include "launch/process_log.h"
#include "launch/roles.h"
#include "launch/scheduler_role.h"
#include "models/model.h"
#include "net/zmq_network.h"

namespace sherd {
namespace {

// For a rank that the scheduler does not end after a signal: the checkpoint of a stop may take eleven request timeouts.
constexpr double kGraceRequestTimeouts = 12;

std::optional<CurveKeys> KeysOf(const proto::LaunchPlan& plan) {
  if (!plan.has_server_secret()) return std::nullopt;
  return CurveKeys{.server_public = plan.server_public(),
                   .server_secret = plan.server_secret(),
                   .client_public = plan.client_public(),
                   .client_secret = plan.client_secret()};
}

Binding BindingOf(const proto::LaunchPlan& plan, const std::string& address) {
  if (!plan.ipc_dir().empty()) return {.kind = Binding::Kind::kIpc, .where = plan.ipc_dir()};
  return {.kind = Binding::Kind::kTcp, .where = address};
}

Result<std::unique_ptr<ZmqNetwork>> MakeNetwork(const proto::LaunchPlan& plan) {
  return ZmqNetwork::Create({.job = plan.job_id(), .keys = KeysOf(plan)});
}

// ---- rank 0 --------------------------------------------------------------------------------------------------------

// In the order in which they depend on one another.
struct RankZero {
  LoadedJob loaded;
  std::unique_ptr<MetricsWriter> metrics;
  std::unique_ptr<JobData> data;
  std::unique_ptr<TemporaryDir> sockets;
  std::unique_ptr<ZmqNetwork> network;
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

void AddKeys(proto::LaunchPlan* plan) {
  const CurveKeys keys = MakeCurveKeys();
  plan->set_server_public(keys.server_public);
  plan->set_server_secret(keys.server_secret);
  plan->set_client_public(keys.client_public);
  plan->set_client_secret(keys.client_secret);
}

// Chooses the transport, binds the scheduler and fills the plan.
Status Settle(const JobRequest& request, const std::vector<proto::RankInfo>& ranks, RankZero* zero,
              proto::LaunchPlan* plan) {
  const proto::Cluster& cluster = zero->loaded.job.cluster();
  ASSIGN_OR_RETURN(const Choice choice, Choose(ranks, cluster.transport()));
  RETURN_IF_ERROR(UseSimd(choice.simd));
  plan->set_simd(choice.simd);
  plan->set_job_id(MakeJobId());
  if (choice.ipc) {
    ASSIGN_OR_RETURN(zero->sockets, TemporaryDir::Make());
    plan->set_ipc_dir(zero->sockets->path());
  } else if (cluster.security() == proto::Cluster::CURVE) {
    AddKeys(plan);
  }
  ASSIGN_OR_RETURN(zero->network, MakeNetwork(*plan));
  const std::string bind = BindingOf(*plan, ranks[0].address()).Endpoint("scheduler");
  ASSIGN_OR_RETURN(zero->scheduler, SchedulerRole::Make(zero->network.get(), request, zero->loaded, zero->data.get(),
                                                        zero->metrics.get(), plan->job_id(), bind));
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
  ASSIGN_OR_RETURN(const auto ranks, ExchangeInfo(group, DescribeThisRank(zero->loaded.job.cluster().interface())));
  const Status settled = Settle(request, ranks, zero, &plan);
  if (!settled.ok()) plan.set_state(proto::LaunchPlan::REFUSED);
  const Status told = SendPlan(group, plan);
  return settled.ok() ? told : settled;
}

Status RunRankZero(const JobRequest& request, std::unique_ptr<RankGroup> group, SignalWatch* signals) {
  SetLogRole("scheduler (rank 0)");
  if (std::getenv("SHERD_VERDICT_FILE") == nullptr) {
    std::cout << "started by mpirun itself: one lost rank ends the job, and Ctrl-C leaves 2 s for a checkpoint; "
                 "launch/sherd-mpirun passes what is needed against both"
              << std::endl;
  }
  RankZero zero;
  Status status = BootstrapRankZero(request, group.get(), &zero);
  group.reset();
  if (status.ok()) status = zero.scheduler->Run(signals);
  if (!status.ok() && zero.metrics != nullptr) zero.metrics->OnFailure(status.text());
  return status;
}

// ---- the others ----------------------------------------------------------------------------------------------------

// Nothing: rank 0 ends the job before it begins, and says why.
Result<std::optional<proto::LaunchPlan>> BootstrapOther(RankGroup* group, std::vector<proto::RankInfo>* ranks) {
  ASSIGN_OR_RETURN(const auto ready, AwaitPreparation(group));
  if (!ready) return std::optional<proto::LaunchPlan>();
  ASSIGN_OR_RETURN(*ranks, ExchangeInfo(group, DescribeThisRank(ready->job().cluster().interface())));
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

Status RunOther(std::unique_ptr<RankGroup> group, SignalWatch* signals) {
  const std::uint32_t rank = group->rank();
  std::vector<proto::RankInfo> ranks;
  ASSIGN_OR_RETURN(const auto launch, BootstrapOther(group.get(), &ranks));
  group.reset();
  if (!launch) return {};
  signals->EndLater(kGraceRequestTimeouts * launch->job().cluster().request_timeout());

  JobPlan plan;
  plan.job = launch->job();
  plan.roles = {.servers = launch->servers(), .workers = launch->workers(), .spares = launch->spares()};
  plan.predict = launch->predict();
  plan.job_id = launch->job_id();
  plan.scheduler_endpoint = launch->scheduler_endpoint();
  ASSIGN_OR_RETURN(plan.model, DescribeModel(plan.job));
  RETURN_IF_ERROR(UseSimd(launch->simd()));
  const RankRole role = RoleOfRank(plan.roles, rank);
  const auto beside = [&](proto::Role role) { return RanksBeside(rank, ranks, plan.roles, role); };
  plan.memory_budget = ServerMemoryBudget(plan.job.cluster(), HostMemory(), beside(proto::SERVER));
  plan.worker_cores = WorkerCores(beside(proto::WORKER));
  SetLogRole(RoleName(role) + " (rank " + std::to_string(rank) + ")");
  ASSIGN_OR_RETURN(const auto network, MakeNetwork(*launch));
  return RunRole(network.get(), plan, role, BindingOf(*launch, ranks.at(rank).address()));
}

}  // namespace

Status RunUnderMpi(const JobRequest& request, SignalWatch* signals) {
  ASSIGN_OR_RETURN(std::unique_ptr<RankGroup> group, StartMpi());
  if (group->rank() == 0) return RunRankZero(request, std::move(group), signals);
  return RunOther(std::move(group), signals);
}

}  // namespace sherd
