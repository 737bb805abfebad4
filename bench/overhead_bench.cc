#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/cpu_meter.h"
#include "bench/bench_case.h"
#include "bench/local_job.h"
#include "bench/memory_rows.h"
#include "bench/thread_clocks.h"
#include "bench/train_jobs.h"
#include "bench/training_turns.h"

namespace sherd::bench {
namespace {

constexpr double kMost = 0.20;       // of the processor's time: what the case is to stay below
constexpr double kAccounted = 0.95;  // of what the system counts, by the threads' own clocks

using Part = CpuMeter::Part;

// Seconds by stage, at one moment or from one to another.
struct Stages {
  std::map<std::string, double> threads;
  std::map<std::string, double> parts;  // of the threads "compute" and "shard"
  double process = 0;

  static Stages Now(const CpuMeters& compute, const CpuMeters& shards) {
    Stages now;
    now.threads = CpuSecondsByThread();
    now.process = ProcessCpuSeconds();
    now.parts["matrix products"] = compute.seconds(Part::kProducts);
    now.parts["activation"] = compute.seconds(Part::kActivation);
    now.parts["pooling"] = compute.seconds(Part::kPooling);
    now.parts["interaction"] = compute.seconds(Part::kInteraction);
    now.parts["row update"] = shards.seconds(Part::kRowUpdate);
    now.parts["row gather"] = shards.seconds(Part::kRowGather);
    now.parts["checks"] = shards.seconds(Part::kChecks);
    return now;
  }
  Stages Since(const Stages& before) const {
    Stages passed = *this;
    for (auto& [name, seconds] : passed.threads) {
      const auto found = before.threads.find(name);
      if (found != before.threads.end()) seconds -= found->second;
    }
    for (auto& [name, seconds] : passed.parts) seconds -= before.parts.at(name);
    passed.process -= before.process;
    return passed;
  }

  double Accounted() const {
    double sum = 0;
    for (const auto& [name, seconds] : threads) sum += seconds;
    return sum / process;
  }
  double Useful() const { return parts.at("matrix products") + parts.at("activation") + parts.at("row update"); }
  // Shares of the whole, which add up to Accounted().
  std::vector<std::pair<std::string, double>> Shares() const {
    std::vector<std::pair<std::string, double>> shares(parts.begin(), parts.end());
    const auto rest = [&](const char* thread, std::initializer_list<const char*> named) {
      const auto found = threads.find(thread);
      double seconds = found == threads.end() ? 0 : found->second;
      for (const char* part : named) seconds -= parts.at(part);
      shares.emplace_back(std::string(thread) + ", the rest", seconds);
    };
    rest("compute", {"matrix products", "activation", "pooling", "interaction"});
    rest("shard", {"row update", "row gather", "checks"});
    double others = 0;
    for (const auto& [name, seconds] : threads) {
      if (name == "compute" || name == "shard") continue;
      if (name == "read" || name == "keys" || name == "exchange") {
        shares.emplace_back(name, seconds);
      } else {
        others += seconds;
      }
    }
    shares.emplace_back("libzmq's threads, and the bench's own", others);
    for (auto& [name, share] : shares) share /= process;
    return shares;
  }
};

}  // namespace

Status TrainOverhead(const Options& options, const Report& report) {
  ASSIGN_OR_RETURN(const MemoryJob made, MakeClickJob(options, DeepFmJob()));
  CpuMeters compute, shards;  // outlive the job
  ASSIGN_OR_RETURN(
      const std::unique_ptr<LocalJob> job,
      LocalJob::Start(
          made,
          {.workers = options.threads, .route = {}, .fill = {}, .compute_meters = &compute, .shard_meters = &shards}));
  const std::uint64_t share = (made.rows->minibatches() + options.threads - 1) / options.threads;
  ASSIGN_OR_RETURN(LocalJob::Round round, job->Train(share));
  const std::uint64_t minibatches = MinibatchesOfTurn(round.wall / static_cast<double>(share));
  const Stages before = Stages::Now(compute, shards);
  double rows = 0;
  for (std::uint64_t turn = 0; turn < options.turns_or(kTurns); ++turn) {
    ASSIGN_OR_RETURN(round, job->Train(minibatches));
    rows += round.rows;
  }
  const Stages passed = Stages::Now(compute, shards).Since(before);
  if (passed.Accounted() < kAccounted) {
    return Status::BadData("the clocks of all threads come to " + std::to_string(passed.Accounted()) +
                           " of the process's time");
  }
  const double overhead = 1 - passed.Useful() / passed.process;
  Figure figure{
      .value = overhead, .unit = "share", .floor = kMost, .ratio = kMost / overhead, .part = {}, .fields = {}};
  figure.With("accounted", passed.Accounted()).With("cpu_us_a_row", 1e6 * passed.process / rows);
  for (const auto& [stage, of_all] : passed.Shares()) figure.With(stage, of_all);
  report(figure.With("workers", options.threads).With("transport", "inproc").With("security", "NONE"));
  return {};
}

}  // namespace sherd::bench
