#include "launch/bootstrap.h"

#include <chrono>
#include <exception>
#include <future>
#include <set>

#include "base/host_name.h"
#include "base/simd.h"
#include "launch/host_address.h"
#include "launch/keys/key_file.h"

namespace sherd {
namespace {

constexpr std::chrono::seconds kSignOfLife{1};
constexpr double kPatienceSeconds = 60;  // of a rank for the next word of the others

// That all ranks have read the same keys, or none of them a key file.
Status CheckKeyFiles(const std::vector<proto::RankInfo>& ranks) {
  for (const proto::RankInfo& rank : ranks) {
    if (rank.has_key_problem()) return Status::Invalid("--key_file: " + rank.key_problem());
    if (rank.key_fingerprint() == ranks[0].key_fingerprint()) continue;
    return Status::Invalid("--key_file: host " + rank.host() + " has other keys than host " + ranks[0].host() +
                           ": copy the one file to all hosts");
  }
  return {};
}

}  // namespace

Status SendPlan(RankGroup* group, const proto::LaunchPlan& plan) {
  std::string text = plan.SerializeAsString();
  const Status status = group->Broadcast(&text, kPatienceSeconds);
  Wipe(&text);  // it may hold keys
  return status;
}

Result<proto::LaunchPlan> ReceivePlan(RankGroup* group) {
  std::string text;
  RETURN_IF_ERROR(group->Broadcast(&text, kPatienceSeconds));
  proto::LaunchPlan plan;
  const bool parsed = plan.ParseFromString(text);
  Wipe(&text);
  if (!parsed) return Status::BadData("rank 0 sent a plan that is none");
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

proto::RankInfo DescribeThisRank(const std::string& interface, const std::string& key_file) {
  proto::RankInfo info;
  info.set_host(HostName());
  info.set_simd(BestSimd());
  const auto address = HostAddress(interface);
  if (address.ok()) info.set_address(*address);
  if (!address.ok()) info.set_problem(address.status().text());
  if (!key_file.empty()) {
    const auto keys = ReadKeyFile(key_file);
    if (keys.ok()) info.set_key_fingerprint(KeyFingerprint(*keys));
    if (!keys.ok()) info.set_key_problem(keys.status().text());
  }
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

Result<Choice> Choose(const std::vector<proto::RankInfo>& ranks, const proto::Cluster& cluster) {
  const proto::Cluster::Transport transport = cluster.transport();
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
  choice.curve = !choice.ipc && cluster.security() == proto::Cluster::CURVE;
  if (choice.curve) RETURN_IF_ERROR(CheckKeyFiles(ranks));
  return choice;
}

void PutKeys(const CurveKeys& keys, proto::LaunchPlan* plan) {
  plan->set_server_public(keys.server_public);
  plan->set_server_secret(keys.server_secret);
  plan->set_client_public(keys.client_public);
  plan->set_client_secret(keys.client_secret);
}

std::optional<CurveKeys> TakeKeys(proto::LaunchPlan* plan) {
  if (!plan->has_server_secret()) return std::nullopt;
  std::optional<CurveKeys> keys(std::in_place, plan->server_public(), plan->server_secret(), plan->client_public(),
                                plan->client_secret());
  for (std::string* key : {plan->mutable_server_public(), plan->mutable_server_secret(), plan->mutable_client_public(),
                           plan->mutable_client_secret()}) {
    Wipe(key);
  }
  plan->clear_server_secret();
  return keys;
}

}  // namespace sherd
