#pragma once

#include <cstdint>
#include <string>

#include "proto/job.pb.h"

namespace sherd {

// Bytes of memory that this process may have: the host's, or what its cgroup is limited to.
std::uint64_t HostMemory();

// The smallest limit of the cgroups that `cgroups` (the text of /proc/self/cgroup, version 1 or 2) names, and of those
// they lie in, with their files below `root` (/sys/fs/cgroup). Without a limit: the greatest number.
std::uint64_t CgroupMemory(const std::string& cgroups, const std::string& root);

// Bytes that the tables of one of `servers` servers on a host may take: as the job says, else nine tenths of the
// memory, dealt to them.
std::uint64_t ServerMemoryBudget(const proto::Cluster& cluster, std::uint64_t host_memory, std::uint32_t servers);

}  // namespace sherd
