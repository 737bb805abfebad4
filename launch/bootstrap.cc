#include "launch/bootstrap.h"

#include <chrono>
#include <exception>
#include <future>
#include <set>

#include "base/host_name.h"
#include "base/simd.h"
#include "launch/host_address.h"

namespace sherd {
namespace {

constexpr std::chrono::seconds kSignOfLife{1};
constexpr double kPatienceSeconds = 60;  // of a rank for the next word of the others

}  // namespace

Status SendPlan(RankGroup* group, const proto::LaunchPlan& plan) {
  std::string text = plan.SerializeAsString();
  return group->Broadcast(&text, kPatienceSeconds);
}

Result<proto::LaunchPlan> ReceivePlan(RankGroup* group) {
  std::string text;
  RETURN_IF_ERROR(group->Broadcast(&text, kPatienceSeconds));
  proto::LaunchPlan plan;
  if (!plan.ParseFromString(text)) return Status::BadData("rank 0 sent a plan that is none");
  return plan;
}

Status PrepareAndTell(RankGroup* group, const std::function<Result<proto::LaunchPlan>()>& prepare) {
  auto outcome = std::async(std::launch::async, [&prepare]() -> Result<proto::LaunchPlan> {
    try {
      return prepare();
    } catch (const std::exception& error) {  // so that the others hear of it
      return Status(ErrorCode::kIo, std::string("unexpected: ") + error.what());
    }
  });
  proto::LaunchPlan preparing;
  preparing.set_state(proto::LaunchPlan::PREPARING);
  while (outcome.wait_for(kSignOfLife) != std::future_status::ready) {
    RETURN_IF_ERROR(SendPlan(group, preparing));
  }
  Result<proto::LaunchPlan> plan = outcome.get();
  proto::LaunchPlan word;
  word.set_state(proto::LaunchPlan::REFUSED);
  if (plan.ok()) {
    word = *plan;
    word.set_state(proto::LaunchPlan::READY);
  }
  const Status told = SendPlan(group, word);
  return plan.ok() ? told : plan.status();
}

Result<std::optional<proto::LaunchPlan>> AwaitPreparation(RankGroup* group) {
  while (true) {
    ASSIGN_OR_RETURN(proto::LaunchPlan plan, ReceivePlan(group));
    if (plan.state() == proto::LaunchPlan::PREPARING) continue;
    if (plan.state() == proto::LaunchPlan::REFUSED) return std::optional<proto::LaunchPlan>();
    return std::optional<proto::LaunchPlan>(std::move(plan));
  }
}

proto::RankInfo DescribeThisRank(const std::string& interface) {
  proto::RankInfo info;
  info.set_host(HostName());
  info.set_simd(BestSimd());
  const auto address = HostAddress(interface);
  if (address.ok()) info.set_address(*address);
  if (!address.ok()) info.set_problem(address.status().text());
  return info;
}

Result<std::vector<proto::RankInfo>> ExchangeInfo(RankGroup* group, const proto::RankInfo& mine) {
  ASSIGN_OR_RETURN(const auto texts, group->Gather(mine.SerializeAsString(), kPatienceSeconds));
  std::vector<proto::RankInfo> ranks(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (!ranks[i].ParseFromString(texts[i]))
      return Status::BadData("rank " + std::to_string(i) + " sent no description");
  }
  return ranks;
}

Result<Choice> Choose(const std::vector<proto::RankInfo>& ranks, proto::Cluster::Transport transport) {
  std::set<std::string> hosts, problems;
  Choice choice;
  for (const proto::RankInfo& rank : ranks) {
    hosts.insert(rank.host());
    if (rank.has_problem()) problems.insert(rank.problem());
    if (choice.simd.empty()) choice.simd = rank.simd();
    ASSIGN_OR_RETURN(choice.simd, WorstSimd(choice.simd, rank.simd()));
  }
  if (transport == proto::Cluster::IPC && hosts.size() > 1) {
    return Status::Invalid("cluster.transport: IPC needs all ranks on one host, and these are on " +
                           std::to_string(hosts.size()));
  }
  choice.ipc = transport == proto::Cluster::IPC || (transport == proto::Cluster::AUTO && hosts.size() == 1);
  if (!choice.ipc && !problems.empty()) return Status::Invalid("cluster.interface: " + *problems.begin());
  return choice;
}

}  // namespace sherd
