#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "launch/rank_group.h"
#include "net/curve_keys.h"
#include "proto/launch.pb.h"

namespace sherd {

// What the ranks settle while they still have MPI. All functions are collective.

// Rank 0's side of waiting: runs `prepare` on a thread of its own, and tells the others every second that it is at
// work, for as long as that takes (a statistics pass may read a large file). Then tells them its outcome: READY with
// the job that `prepare` returned, or REFUSED.
Status PrepareAndTell(RankGroup* group, const std::function<Result<proto::LaunchPlan>()>& prepare);

// The others' side: the job; nothing when rank 0 has refused it and has said why.
Result<std::optional<proto::LaunchPlan>> AwaitPreparation(RankGroup* group);

// What each rank knows about itself, with the address of the job's network interface, and of its key file if there is
// one.
proto::RankInfo DescribeThisRank(const std::string& interface, const std::string& key_file);
Result<std::vector<proto::RankInfo>> ExchangeInfo(RankGroup* group, const proto::RankInfo& mine);

// What rank 0 chooses from it: the worst SIMD target, ipc or tcp, and whether that is encrypted. Invalid: a rank has no
// such interface, ipc is asked for and there are several hosts, or the ranks' key files are not all the same good one.
struct Choice {
  std::string simd;
  bool ipc = false;
  bool curve = false;
};
Result<Choice> Choose(const std::vector<proto::RankInfo>& ranks, const proto::Cluster& cluster);

// The final word of rank 0: GO with all that is needed, or REFUSED.
Status SendPlan(RankGroup* group, const proto::LaunchPlan& plan);
Result<proto::LaunchPlan> ReceivePlan(RankGroup* group);

// The keys of a plan in which they travel. They are taken out of it, and the plan's own copies are wiped.
void PutKeys(const CurveKeys& keys, proto::LaunchPlan* plan);
std::optional<CurveKeys> TakeKeys(proto::LaunchPlan* plan);

}  // namespace sherd
