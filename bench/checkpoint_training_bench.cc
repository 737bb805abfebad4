// What checkpoints cost a job that goes on training.
#include <algorithm>
#include <chrono>
#include <future>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/file.h"
#include "bench/bench_case.h"
#include "bench/bench_table.h"
#include "bench/local_job.h"
#include "bench/memory_rows.h"
#include "bench/process_memory.h"
#include "bench/train_jobs.h"
#include "bench/training_turns.h"
#include "ps/cut_writer.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kRows = 50'000'000;
constexpr std::uint32_t kShards = 2;
constexpr double kChanged = 0.01;  // of the rows, before a delta
constexpr int kCuts = 2;

std::string FolderOf(const Options& options) {
  return JoinPath(options.spill_dir.empty() ? "." : options.spill_dir, "sherd-bench-checkpoint");
}

proto::OpenCut CutInto(const std::string& dir, std::uint32_t number) {
  proto::OpenCut open;
  open.set_cut(number);
  open.set_dir(dir);
  return open;
}

// The first of the rows, as far as their slots are the store's, by a push that changes nothing but that they are there.
Status Fill(std::uint64_t rows, ShardStore* store) {
  EmbeddingTable& table = store->table(0);
  std::vector<Key> keys;
  const std::vector<float> zeros(kBatch * table.layout().weight_floats());
  for (std::uint64_t row = 0; row < rows;) {
    keys.clear();
    for (; row < rows && keys.size() < kBatch; ++row) {
      if (store->Owns(KeyOf(row))) keys.push_back(KeyOf(row));
    }
    RETURN_IF_ERROR(table.Push(keys, zeros.data(), {}));
  }
  return {};
}

// Rounds of some seconds of training, for as long as a cut is being written or for as long as one would.
struct Training {
  LocalJob* job;
  std::uint64_t minibatches;  // of a round
  double rows = 0, wall = 0, longest = 0;
  std::vector<double> medians = {};

  Status Round() {
    ASSIGN_OR_RETURN(const LocalJob::Round round, job->Train(minibatches));
    rows += round.rows;
    wall += round.wall;
    longest = std::max(longest, round.longest);
    medians.push_back(round.median);
    return {};
  }
  double rate() const { return rows / wall; }
};

bool Ready(const std::future<Result<LocalJob::Written>>& written) {
  return written.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

}  // namespace

Status CheckpointStall(const Options& options, const Report& report) {
  ASSIGN_OR_RETURN(const MemoryJob made, MakeClickJob(options, DeepFmJob()));
  const std::uint64_t rows = options.rows_or(kRows);
  const std::string dir = FolderOf(options);
  ASSIGN_OR_RETURN(const ProcessMemory before, ReadProcessMemory());
  ASSIGN_OR_RETURN(
      const std::unique_ptr<LocalJob> job,
      LocalJob::Start(made, {.workers = options.threads, .shards = kShards, .fill = [&](ShardStore* store) {
                               return Fill(rows, store);
                             }}));
  ASSIGN_OR_RETURN(const LocalJob::Round first, job->Train(made.rows->minibatches() / options.threads + 1));
  const double minibatch = first.wall * options.threads / static_cast<double>(made.rows->minibatches());
  const std::uint64_t round = 2 * MinibatchesOfTurn(minibatch);
  Training with{.job = job.get(), .minibatches = round}, without = with;
  RETURN_IF_ERROR(without.Round());  // whatever was slow about the first ones
  without = with;
  ASSIGN_OR_RETURN(const ProcessMemory filled, ReadProcessMemory());
  double seconds = 0, bytes = 0;
  for (std::uint32_t cut = 1; cut <= kCuts; ++cut) {
    const double begin = without.wall;
    const double as_long = cut == 1 ? 10 : seconds / (cut - 1);
    while (without.wall - begin < as_long) RETURN_IF_ERROR(without.Round());
    ASSIGN_OR_RETURN(std::future<Result<LocalJob::Written>> written, job->StartCut(CutInto(dir, cut)));
    // A round that the cut ends in is not counted: it is partly without.
    for (Training last = with; !Ready(written); with = last) {
      RETURN_IF_ERROR(last.Round());
      if (Ready(written)) break;
    }
    ASSIGN_OR_RETURN(const LocalJob::Written result, written.get());
    if (result.rows < rows) return Status::BadData("a checkpoint of " + std::to_string(result.rows) + " rows");
    seconds += result.seconds;
    bytes += static_cast<double>(result.bytes);
    RETURN_IF_ERROR(RemoveTree(dir));
  }
  ASSIGN_OR_RETURN(const ProcessMemory after, ReadProcessMemory());
  const double tables = static_cast<double>(filled.resident - before.resident);
  report(Figure{.value = with.rate(), .unit = "rows/s", .floor = without.rate(), .ratio = with.rate() / without.rate()}
             .With("checkpoint_bytes_per_second", bytes / seconds)
             .With("longest_minibatch_over_median", with.longest / Median(with.medians))
             .With("longest_without", without.longest / Median(without.medians))
             .With("memory_over_tables", static_cast<double>(after.most - filled.resident) / tables)
             .With("table_rows", static_cast<double>(rows))
             .With("shards", kShards));
  return {};
}

Status CheckpointDelta(const Options& options, const Report& report) {
  const std::uint64_t rows = options.rows_or(kRows);
  const std::string dir = FolderOf(options);
  proto::ModelSpec model;
  proto::TableSpec* spec = model.add_table();
  spec->set_name("embedding");
  proto::SegmentSpec* segment = spec->add_segment();
  segment->set_name("v");
  segment->set_dim(options.dim);
  segment->mutable_optimizer()->mutable_rowwise_adagrad()->set_learning_rate(kRate);
  segment->mutable_initializer()->set_kind(proto::Initializer::NORMAL);
  ASSIGN_OR_RETURN(const std::unique_ptr<ShardStore> store, ShardStore::Make(model, 1, 0, 1));
  RETURN_IF_ERROR(Fill(rows, store.get()));
  const auto write = [&](bool delta) -> Result<LocalJob::Written> {
    const auto begin = std::chrono::steady_clock::now();
    CutWriter writer(store.get(), {.dir = dir, .delta = delta, .track = true});
    ASSIGN_OR_RETURN(const proto::ShardFile file, writer.Run());
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (file.delta() != delta) return Status::BadData("not the kind of file that was asked for");
    RETURN_IF_ERROR(RemoveTree(dir));
    return LocalJob::Written{.seconds = seconds, .bytes = file.bytes(), .rows = file.rows()};
  };
  const std::vector<float> gradients(kBatch * options.dim, 0.25f);
  const auto changed = static_cast<std::uint64_t>(kChanged * static_cast<double>(rows));
  std::vector<double> full_seconds, delta_seconds;
  LocalJob::Written full, delta;
  std::uint64_t seed = 0;
  for (int turn = 0; turn < kCuts; ++turn) {
    ASSIGN_OR_RETURN(full, write(false));
    full_seconds.push_back(full.seconds);
    const RowDraws draws(Draw::kZipf, 0, rows);
    std::vector<bool> seen(rows);
    std::vector<Key> keys;
    for (std::uint64_t distinct = 0; distinct < changed;) {
      keys.clear();
      std::unordered_set<std::uint64_t> of_batch;
      while (keys.size() < kBatch / 16) {
        const std::uint64_t row = draws.At(++seed);
        if (!of_batch.insert(row).second) continue;
        distinct += seen[row] ? 0 : 1;
        seen[row] = true;
        keys.push_back(KeyOf(row));
      }
      RETURN_IF_ERROR(store->table(0).Push(keys, gradients.data(), {}));
    }
    ASSIGN_OR_RETURN(delta, write(true));
    delta_seconds.push_back(delta.seconds);
  }
  if (delta.rows < changed || delta.rows > changed + kBatch) {
    return Status::BadData("a delta of " + std::to_string(delta.rows) + " rows, not " + std::to_string(changed));
  }
  const double value = Median(delta_seconds), floor = Median(full_seconds);
  report(Figure{.value = value, .unit = "seconds", .floor = floor, .ratio = value / floor}
             .With("bytes_ratio", static_cast<double>(delta.bytes) / static_cast<double>(full.bytes))
             .With("changed_rows", static_cast<double>(delta.rows))
             .With("table_rows", static_cast<double>(rows)));
  return {};
}

}  // namespace sherd::bench
