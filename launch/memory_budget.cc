#include "launch/memory_budget.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>

namespace sherd {
namespace {

constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();

// "max", or no file at all (a cgroup that others manage, the root), is no limit.
std::uint64_t LimitIn(const std::string& path) {
  std::ifstream in(path);
  std::uint64_t limit = kNone;
  return in >> limit ? limit : kNone;
}

// Of the folder `path` below `top` and of all above it. In a container `path` may be the host's view, of which only the
// top is there.
std::uint64_t LimitAbove(const std::string& top, std::string path, const std::string& file) {
  std::uint64_t limit = LimitIn(top + "/" + file);
  while (path.size() > 1) {
    limit = std::min(limit, LimitIn(top + path + "/" + file));
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
  return limit;
}

}  // namespace

std::uint64_t CgroupMemory(const std::string& cgroups, const std::string& root) {
  std::uint64_t limit = kNone;
  std::istringstream in(cgroups);
  for (std::string line; std::getline(in, line);) {  // "0::/path" or "9:memory:/path"
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",",
                      path = line.substr(second + 1);
    if (controllers == ",,") limit = std::min(limit, LimitAbove(root, path, "memory.max"));
    if (controllers.find(",memory,") == std::string::npos) continue;
    limit = std::min(limit, LimitAbove(root + "/memory", path, "memory.limit_in_bytes"));
  }
  return limit;
}

std::uint64_t HostMemory() {
  std::ifstream in("/proc/self/cgroup");
  std::ostringstream cgroups;
  cgroups << in.rdbuf();
  const auto pages = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES));
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGE_SIZE));
  return std::min(pages * page, CgroupMemory(cgroups.str(), "/sys/fs/cgroup"));
}

std::uint64_t ServerMemoryBudget(const proto::Cluster& cluster, std::uint64_t host_memory, std::uint32_t servers) {
  if (cluster.memory_budget() > 0) return cluster.memory_budget();
  return host_memory / 10 * 9 / std::max(servers, 1u);
}

}  // namespace sherd
