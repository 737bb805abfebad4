#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "bench/bench_case.h"
#include "bench/delay_proxy.h"
#include "bench/local_job.h"
#include "bench/memory_rows.h"
#include "bench/train_jobs.h"
#include "bench/training_turns.h"

namespace sherd::bench {
namespace {

constexpr std::chrono::milliseconds kDelay(10);
constexpr std::uint32_t kMaxStaleness = 4;

// A job whose messages all go through a proxy.
struct ProxiedJob {
  std::vector<std::unique_ptr<DelayProxy>> proxies;  // by shard
  std::unique_ptr<LocalJob> job;
  std::vector<double> walls;  // seconds a round
  std::uint64_t staleness = 0;

  Status Start(const MemoryJob& made, std::uint32_t workers, std::chrono::milliseconds delay) {
    const auto route = [&](const std::string& endpoint) -> Result<std::string> {
      ASSIGN_OR_RETURN(proxies.emplace_back(), DelayProxy::Start(endpoint, delay));
      return proxies.back()->endpoint();
    };
    ASSIGN_OR_RETURN(job, LocalJob::Start(made, {.workers = workers, .tcp = true, .route = route}));
    return {};
  }
  Status Train(std::uint64_t minibatches) {
    ASSIGN_OR_RETURN(const LocalJob::Round round, job->Train(minibatches));
    walls.push_back(round.wall);
    staleness = std::max(staleness, round.staleness);
    return {};
  }
};

}  // namespace

Status TrainLatency(const Options& options, const Report& report) {
  ASSIGN_OR_RETURN(MemoryJob made, MakeClickJob(options, DeepFmJob()));
  made.job.mutable_train()->set_consistency(proto::Train::BOUNDED);
  made.job.mutable_train()->set_max_staleness(kMaxStaleness);
  ProxiedJob near, far;
  RETURN_IF_ERROR(near.Start(made, options.threads, std::chrono::milliseconds(0)));
  RETURN_IF_ERROR(far.Start(made, options.threads, kDelay));
  const std::uint64_t share = made.rows->minibatches() / options.threads + 1;
  RETURN_IF_ERROR(near.Train(share));
  RETURN_IF_ERROR(far.Train(share));
  // Long turns: the two trips at their beginning and end belong to no steady state.
  const std::uint64_t minibatches = 4 * MinibatchesOfTurn(near.walls[0] / static_cast<double>(share));
  near.walls.clear();
  far.walls.clear();
  for (std::uint64_t turn = 0; turn < options.turns_or(kTurns); ++turn) {
    RETURN_IF_ERROR(near.Train(minibatches));
    RETURN_IF_ERROR(far.Train(minibatches));
  }
  if (near.staleness > kMaxStaleness || far.staleness > kMaxStaleness) {
    return Status::BadData("staleness " + std::to_string(std::max(near.staleness, far.staleness)) + " is beyond " +
                           std::to_string(kMaxStaleness));
  }
  const double rows = static_cast<double>(minibatches * options.threads) * made.rows->mean_rows();
  const double value = rows / Median(far.walls), floor = rows / Median(near.walls);
  Figure figure{.value = value, .unit = "rows/s", .floor = floor, .ratio = value / floor, .part = {}, .fields = {}};
  report(figure.With("delay_ms", static_cast<double>(kDelay.count()))
             .With("staleness", static_cast<double>(far.staleness))
             .With("max_staleness", kMaxStaleness)
             .With("workers", options.threads)
             .With("transport", "tcp")
             .With("security", "NONE"));
  return {};
}

}  // namespace sherd::bench
