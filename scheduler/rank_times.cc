#include "scheduler/rank_times.h"

#include <algorithm>
#include <cstddef>

namespace sherd {
namespace {

constexpr char kExchange[] = "exchange";       // the pipeline's name of the stage that waits for shards
constexpr std::uint32_t kMostRanks = 1 << 16;  // whatever a worker says

bool IsTime(double seconds) { return seconds >= 0 && seconds < 1e9; }

// Of one of its threads.
double SecondsOfBusiest(const proto::Progress& progress) {
  double most = 0;
  for (const proto::StageTime& stage : progress.stage()) {
    if (stage.name() == kExchange || !IsTime(stage.worked())) continue;
    most = std::max(most, stage.worked() / std::max(stage.threads(), 1u));
  }
  return most;
}

}  // namespace

void RankTimes::Add(std::uint32_t worker, const proto::Progress& progress) {
  if (worker >= kMostRanks) return;
  Time& time = workers_[worker];
  time.units += static_cast<double>(progress.rows());
  time.seconds += SecondsOfBusiest(progress);
  for (int i = 0; i < std::min<int>(progress.shard_size(), kMostRanks); ++i) {
    const proto::AnswerTime& answers = progress.shard(i);
    if (!IsTime(answers.seconds())) continue;
    Time& shard = shards_[static_cast<std::uint32_t>(i)];
    shard.units += static_cast<double>(answers.answers());
    shard.seconds += answers.seconds();
  }
}

void RankTimes::Add(const RankTimes& other) {
  const auto add = [](const Times& from, Times* to) {
    for (const auto& [rank, time] : from) {
      Time& sum = (*to)[rank];
      sum.units += time.units;
      sum.seconds += time.seconds;
    }
  };
  add(other.workers_, &workers_);
  add(other.shards_, &shards_);
}

std::vector<SlowRank> RankTimes::Report() const {
  std::vector<SlowRank> slow;
  const auto look = [&](const Times& times, const std::string& kind, double factor, double least) {
    std::vector<std::pair<double, std::uint32_t>> seconds;  // a row or an answer, of each rank
    for (const auto& [rank, time] : times) {
      if (time.units > 0) seconds.emplace_back(time.seconds / time.units, rank);
    }
    if (seconds.size() < 2) return;
    std::ranges::sort(seconds);
    const auto [slowest, rank] = seconds.back();
    const double others = seconds[(seconds.size() - 2) / 2].first;
    if (slowest < factor * others || slowest < others + least || others <= 0) return;
    slow.push_back({.name = kind + " " + std::to_string(rank), .times = slowest / others});
  };
  look(workers_, "worker", kSlowWorker, 0);
  look(shards_, "shard", kSlowShard, kSlowAnswer);
  return slow;
}

}  // namespace sherd
