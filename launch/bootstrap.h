#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "launch/rank_group.h"
#include "proto/launch.pb.h"

namespace sherd {

// What the ranks settle while they still have MPI. All functions are collective.

// Rank 0's side of waiting: runs `prepare` on a thread of its own, and tells the others every second that it is at
// work, for as long as that takes (a statistics pass may read a large file). Then tells them its outcome: READY with
// the job that `prepare` returned, or REFUSED.
Status PrepareAndTell(RankGroup* group, const std::function<Result<proto::LaunchPlan>()>& prepare);

// The others' side: the job; nothing when rank 0 has refused it and has said why.
Result<std::optional<proto::LaunchPlan>> AwaitPreparation(RankGroup* group);

// What each rank knows about itself, with the address of the job's network interface.
proto::RankInfo DescribeThisRank(const std::string& interface);
Result<std::vector<proto::RankInfo>> ExchangeInfo(RankGroup* group, const proto::RankInfo& mine);

// What rank 0 chooses from it: the worst SIMD target, ipc or tcp. Invalid: a rank has no such interface, or ipc is
// asked for and there are several hosts.
struct Choice {
  std::string simd;
  bool ipc = false;
};
Result<Choice> Choose(const std::vector<proto::RankInfo>& ranks, proto::Cluster::Transport transport);

// The final word of rank 0: GO with all that is needed, or REFUSED.
Status SendPlan(RankGroup* group, const proto::LaunchPlan& plan);
Result<proto::LaunchPlan> ReceivePlan(RankGroup* group);

}  // namespace sherd
