#pragma once

#include <cstdint>
#include <optional>

#include "base/status.h"
#include "proto/job.pb.h"
#include "proto/wire.pb.h"

namespace sherd {

// Who is what: rank 0 the scheduler, then the servers, then the workers, then the spares.
struct RolePlan {
  std::uint32_t servers = 1, workers = 1, spares = 0;
};

struct RankRole {
  proto::Role role;
  std::uint32_t index;  // within the role
};

// For a run under mpirun with `ranks` ranks: servers and spares as the job says, servers by default half of what is
// left; the workers are the rest. Invalid: the ranks do not suffice, or the rest is not the number of workers that is
// asked for (nothing: any will do), and how many ranks would do.
Result<RolePlan> PlanRoles(const proto::Cluster& cluster, std::uint32_t ranks,
                           std::optional<std::uint32_t> workers = std::nullopt);

// For a run in one process: servers and workers as the job says, 1 each by default; no spares.
RolePlan PlanEmbedded(const proto::Cluster& cluster);

RankRole RoleOfRank(const RolePlan& plan, std::uint32_t rank);

// What each of so many workers on this host has of the cores that this process may use, at least 1.
std::uint32_t WorkerCores(std::uint32_t workers);

// "scheduler", "server 1", "worker 0".
std::string RoleName(const RankRole& role);

}  // namespace sherd
