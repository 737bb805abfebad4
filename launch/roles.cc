#include "launch/roles.h"

#include "base/file.h"
#include "base/leadership.h"
#include "base/manifest.h"
#include "launch/job_flags.h"
#include "launch/spare.h"
#include "models/model.h"
#include "ps/server.h"
#include "scheduler/shard_placement.h"
#include "worker/worker.h"

namespace sherd {
namespace {

double HeartbeatSeconds(const proto::Job& job) { return job.cluster().heartbeat_timeout() / 3; }

// Or a spare's: it has room for all shards of a lost server, and with replicas for those whose followers were there. A
// server then has room for as many followers as it has shards.
Status RunServerRole(Network* network, const JobPlan& plan, const RankRole& role, const Binding& binding) {
  ServerOptions options;
  options.job = plan.job_id;
  options.role = role.role;
  options.index = role.index;
  options.replicas = plan.job.cluster().replicas();
  options.servers = plan.roles.servers;
  options.shards_per_server = plan.job.cluster().shards_per_server();
  options.model = plan.model;
  options.train = plan.job.train();
  options.scheduler_endpoint = plan.scheduler_endpoint;
  options.scheduler_term = plan.scheduler_term;
  options.leaders_dir = plan.leaders_dir;
  options.scheduler_wait_seconds = SchedulerWaitSeconds(plan.job);
  options.heartbeat_seconds = HeartbeatSeconds(plan.job);
  options.memory_budget = plan.memory_budget;
  options.spill_dir = plan.job.cluster().spill_dir();
  const proto::Checkpoint& checkpoint = plan.job.checkpoint();
  options.compress_checkpoints = checkpoint.compression() == proto::Checkpoint::ZSTD;
  if (!checkpoint.server_dir().empty()) options.server_dir = JoinPath(checkpoint.server_dir(), plan.job.name());
  if (!checkpoint.dir().empty()) options.copy_dir = JoinPath(AbsolutePath(checkpoint.dir()), kCopiesFolder);
  const bool replicas = options.replicas > 1;
  const std::uint32_t own = role.role == proto::SERVER ? options.shards_per_server : 0;
  const std::uint32_t room = replicas ? 2 * options.shards_per_server : options.shards_per_server - own;
  for (std::uint32_t shard = 0; shard < own + room; ++shard) {
    const std::string name =
        (role.role == proto::SERVER ? "server-" : "spare-") + std::to_string(role.index) + "-" + std::to_string(shard);
    options.bind_endpoints.push_back(binding.Endpoint(name));
  }
  return RunServer(network, options);
}

Status RunWorkerRole(Network* network, const JobPlan& plan, std::uint32_t index) {
  WorkerOptions options;
  options.job_id = plan.job_id;
  options.index = index;
  options.job = plan.job;
  options.predict = plan.predict;
  options.cores = plan.worker_cores;
  options.scheduler_endpoint = plan.scheduler_endpoint;
  options.scheduler_term = plan.scheduler_term;
  options.leaders_dir = plan.leaders_dir;
  options.request_timeout_seconds = plan.job.cluster().request_timeout();
  options.scheduler_wait_seconds = SchedulerWaitSeconds(plan.job);
  options.heartbeat_seconds = HeartbeatSeconds(plan.job);
  options.leave = plan.leave;
  return RunWorker(network, options);
}

}  // namespace

std::string LeadersDirOf(const proto::LaunchPlan& plan) {
  const std::string& dir = plan.job().checkpoint().dir();
  if (dir.empty() || (plan.spares() == 0 && !plan.has_key_fingerprint())) return "";
  return JoinPath(AbsolutePath(dir), kLeadersFolder);
}

double SchedulerWaitSeconds(const proto::Job& job) {
  const proto::Cluster& cluster = job.cluster();
  return cluster.has_scheduler_wait() ? cluster.scheduler_wait() : cluster.request_timeout();
}

Result<JobPlan> JobPlanOf(const proto::LaunchPlan& launch) {
  JobPlan plan;
  plan.job = launch.job();
  plan.roles = {.servers = launch.servers(), .workers = launch.workers(), .spares = launch.spares()};
  plan.predict = launch.predict();
  plan.job_id = launch.job_id();
  plan.scheduler_endpoint = launch.scheduler_endpoint();
  plan.leaders_dir = LeadersDirOf(launch);
  ASSIGN_OR_RETURN(plan.model, DescribeModel(plan.job));
  return plan;
}

std::string Binding::Endpoint(const std::string& name) const {
  switch (kind) {
    case Kind::kInproc:
      return "inproc://" + name;
    case Kind::kIpc:
      return "ipc://" + where + "/" + name;
    case Kind::kTcp:
      return "tcp://" + where + ":*";
  }
  return "";
}

Status RunRole(Network* network, const JobPlan& plan, const RankRole& role, const Binding& binding) {
  CHECK_NE(role.role, proto::SCHEDULER);
  if (role.role == proto::WORKER) return RunWorkerRole(network, plan, role.index);  // says itself who it is
  const bool serves = role.role == proto::SERVER || SparesHaveRoom(plan.job.cluster());
  const Status status = serves ? RunServerRole(network, plan, role, binding) : RunSpare(network, plan, role.index);
  return status.Annotate(RoleName(role));
}

}  // namespace sherd
