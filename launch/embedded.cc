#include "launch/embedded.h"

#include <chrono>
#include <future>
#include <iostream>
#include <optional>
#include <vector>

#include "base/simd.h"
#include "launch/chaos/drill.h"
#include "launch/job_data.h"
#include "launch/job_loading.h"
#include "launch/memory_budget.h"
#include "launch/metrics_writer.h"
#include "launch/roles.h"
#include "launch/scheduler_role.h"
#include "net/zmq_network.h"

namespace sherd {
namespace {

JobPlan PlanOf(const LoadedJob& loaded, JobRequest::Command command, std::uint64_t job_id,
               const std::string& endpoint) {
  return {.job = loaded.job,
          .model = loaded.model,
          .roles = loaded.plan,
          .predict = command == JobRequest::Command::kPredict,
          .job_id = job_id,
          .scheduler_endpoint = endpoint,
          .memory_budget = ServerMemoryBudget(loaded.job.cluster(), HostMemory(), loaded.plan.servers),
          .worker_cores = WorkerCores(loaded.plan.workers)};
}

Status RunLoaded(const JobRequest& request, const LoadedJob& loaded, Observer* metrics, SignalWatch* signals) {
  RETURN_IF_ERROR(UseSimd(BestSimd()));
  ASSIGN_OR_RETURN(const std::unique_ptr<JobData> data, JobData::Open(loaded, request.command));

  const std::uint64_t job_id = MakeJobId();
  ASSIGN_OR_RETURN(const std::unique_ptr<ZmqNetwork> network,
                   ZmqNetwork::Create({.job = job_id, .keys = std::nullopt}));
  const auto drill = ChaosDrill::Make(request, loaded.plan, {proto::SCHEDULER, 0}, network.get());
  const Binding binding{.kind = Binding::Kind::kInproc, .where = ""};
  ASSIGN_OR_RETURN(const std::unique_ptr<SchedulerRole> scheduler,
                   SchedulerRole::Make(drill->network(), request, loaded, data.get(), metrics,
                                       {.job_id = job_id, .bind_endpoint = binding.Endpoint("scheduler")}));

  const JobPlan plan = PlanOf(loaded, request.command, job_id, scheduler->endpoint());
  std::vector<std::future<Status>> others;
  for (std::uint32_t rank = 1; rank <= plan.roles.servers + plan.roles.workers; ++rank) {
    const RankRole role = RoleOfRank(plan.roles, rank);
    others.push_back(
        std::async(std::launch::async, [&, role] { return RunRole(drill->network(), plan, role, binding); }));
  }
  const Status status = scheduler->Run(signals);
  // They have been told to stop, and end by themselves; why one could not go on, the scheduler has said.
  for (auto& other : others) other.wait();
  LOG_IF(WARNING, network->malformed() > 0) << network->malformed() << " messages were refused as damaged or malformed";
  return status;
}

}  // namespace

Status RunEmbedded(const JobRequest& request, SignalWatch* signals) {
  ASSIGN_OR_RETURN(const LoadedJob loaded, LoadJob(request, 0));
  ASSIGN_OR_RETURN(const std::unique_ptr<MetricsWriter> metrics, MetricsWriter::CreateIfNamed(request.metrics));
  for (const std::string& note : loaded.notes) std::cout << note << std::endl;
  const Status status = RunLoaded(request, loaded, metrics.get(), signals);
  if (!status.ok() && metrics != nullptr) metrics->OnFailure(status.text());
  return status;
}

}  // namespace sherd
