#include "launch/role_plan.h"

#include <algorithm>
#include <thread>

namespace sherd {
namespace {

std::string Count(std::uint64_t n, const char* what) {
  return std::to_string(n).append(" ").append(what).append(n == 1 ? "" : "s");
}

Result<RolePlan> Divide(const proto::Cluster& cluster, std::uint32_t ranks) {
  const std::uint64_t spares = cluster.spares();
  std::uint64_t servers = cluster.servers();
  if (!cluster.has_servers()) servers = ranks > 1 + spares ? std::max<std::uint64_t>(1, (ranks - 1 - spares) / 2) : 1;
  if (ranks < 2 + servers + spares) {
    return Status::Invalid("mpirun -np " + std::to_string(ranks) + " is too few for 1 scheduler, " +
                           Count(servers, "server") + ", " + (spares > 0 ? Count(spares, "spare") + " and " : "") +
                           "at least 1 worker: use -np " + std::to_string(2 + servers + spares) +
                           " or more, or fewer --servers" + (spares > 0 ? " or --spares" : ""));
  }
  RolePlan plan;
  plan.servers = static_cast<std::uint32_t>(servers);
  plan.spares = static_cast<std::uint32_t>(spares);
  plan.workers = ranks - 1 - plan.servers - plan.spares;
  return plan;
}

// The fewest ranks with so many workers. Each rank more is at most one worker more, so no number is passed over.
std::uint32_t RanksFor(const proto::Cluster& cluster, std::uint32_t workers) {
  std::uint32_t ranks = 1 + cluster.servers() + workers + cluster.spares();
  while (true) {
    const auto plan = Divide(cluster, ranks);
    if (plan.ok() && plan->workers >= workers) return ranks;
    ++ranks;
  }
}

}  // namespace

Result<RolePlan> PlanRoles(const proto::Cluster& cluster, std::uint32_t ranks, std::optional<std::uint32_t> workers) {
  const auto plan = Divide(cluster, ranks);
  if (!plan.ok() || !workers || *workers == plan->workers) return plan;
  return Status::Invalid("mpirun -np " + std::to_string(ranks) + " leaves " + Count(plan->workers, "worker") +
                         " beside " + Count(plan->servers, "server") + ", not --workers=" + std::to_string(*workers) +
                         ": use -np " + std::to_string(RanksFor(cluster, *workers)) + ", or leave --workers out");
}

RolePlan PlanEmbedded(const proto::Cluster& cluster) {
  RolePlan plan;
  if (cluster.has_servers()) plan.servers = cluster.servers();
  if (cluster.has_workers()) plan.workers = cluster.workers();
  return plan;
}

RankRole RoleOfRank(const RolePlan& plan, std::uint32_t rank) {
  if (rank == 0) return {proto::SCHEDULER, 0};
  if (rank < 1 + plan.servers) return {proto::SERVER, rank - 1};
  if (rank < 1 + plan.servers + plan.workers) return {proto::WORKER, rank - 1 - plan.servers};
  return {proto::SPARE, rank - 1 - plan.servers - plan.workers};
}

std::uint32_t WorkerCores(std::uint32_t workers) {
  return std::max(std::thread::hardware_concurrency() / std::max(workers, 1u), 1u);
}

std::string RoleName(const RankRole& role) {
  if (role.role == proto::SCHEDULER) return "scheduler";
  const char* name = role.role == proto::SERVER ? "server " : role.role == proto::WORKER ? "worker " : "spare ";
  return name + std::to_string(role.index);
}

}  // namespace sherd
