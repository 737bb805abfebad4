#include <thread>
#include <vector>

#include "base/partition.h"
#include "bench/bench_case.h"
#include "bench/bench_table.h"
#include "bench/table_floor.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kRows = 20'000'000;
constexpr std::size_t kBatches = 32, kEach = 16;

// The part of each request that one shard gets.
struct ShardRequests {
  std::vector<std::vector<Key>> keys;
  std::vector<float> gradients, out;
  std::size_t next = 0;
};

ShardRequests RequestsOf(std::uint32_t shard, std::uint32_t shards, Draw draw, std::uint64_t rows, std::uint32_t dim) {
  ShardRequests requests{.keys = {}, .gradients = Gradients(dim), .out = std::vector<float>(kBatch * dim)};
  for (const KeyBatch& batch : DrawBatches({draw, 0, rows}, kBatches, BatchSize(rows, kBatch), 1)) {
    requests.keys.emplace_back();
    for (const Key key : batch.keys) {
      if (ShardOf(key, shards) == shard) requests.keys.back().push_back(key);
    }
  }
  return requests;
}

enum class Work { kPull, kPush };

void Go(Work work, ShardRequests* requests, BenchTable* table) {
  for (std::size_t i = 0; i < kEach; ++i) {
    const std::vector<Key>& keys = requests->keys[requests->next++ % kBatches];
    if (work == Work::kPull) {
      table->Pull(keys, requests->out.data());
    } else {
      table->Push(keys, requests->gradients.data());
    }
  }
}

void GoTogether(Work work, std::vector<ShardRequests>* requests, std::vector<BenchTable>* tables) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < tables->size(); ++i) {
    threads.emplace_back([=] { Go(work, &(*requests)[i], &(*tables)[i]); });
  }
  for (std::thread& thread : threads) thread.join();
}

Result<std::vector<BenchTable>> MakeShards(std::uint32_t shards, std::uint64_t rows, std::uint32_t dim,
                                           const std::vector<float>& gradients) {
  std::vector<BenchTable> tables;
  for (std::uint32_t shard = 0; shard < shards; ++shard) {
    const TableShape shape{.dim = dim, .first = FirstSlot(shard, shards), .end = FirstSlot(shard + 1, shards)};
    ASSIGN_OR_RETURN(BenchTable table, MakeFilled(shape, rows, gradients));
    tables.push_back(std::move(table));
  }
  return tables;
}

std::uint64_t SumOfRows(const std::vector<BenchTable>& tables) {
  std::uint64_t sum = 0;
  for (const BenchTable& table : tables) sum += table.rows();
  return sum;
}

}  // namespace

Status TableShards(const Options& options, const Report& report) {
  const std::vector<float> gradients = Gradients(options.dim);
  const std::uint64_t rows = options.rows_or(kRows);
  ASSIGN_OR_RETURN(std::vector<BenchTable> one, MakeShards(1, rows, options.dim, gradients));
  ASSIGN_OR_RETURN(std::vector<BenchTable> several, MakeShards(options.threads, rows, options.dim, gradients));
  for (const Draw draw : {Draw::kUniform, Draw::kZipf}) {
    std::vector<ShardRequests> whole, parts;
    whole.push_back(RequestsOf(0, 1, draw, rows, options.dim));
    for (std::uint32_t shard = 0; shard < options.threads; ++shard) {
      parts.push_back(RequestsOf(shard, options.threads, draw, rows, options.dim));
    }
    for (const Work work : {Work::kPull, Work::kPush}) {
      Figure figure = CompareInTurns(
          static_cast<double>(kEach * BatchSize(rows, kBatch)), "rows/s", [&] { GoTogether(work, &parts, &several); },
          {[&] { Go(work, &whole[0], &one[0]); }}, kShortTurns);
      figure.part = work == Work::kPull ? ".pull" : ".push";
      figure.With("keys", NameOf(draw)).With("rows", static_cast<double>(rows)).With("dim", options.dim);
      report(figure.With("threads", options.threads));
    }
  }
  for (const BenchTable& table : several) RETURN_IF_ERROR(table.status());
  if (SumOfRows(one) != rows || SumOfRows(several) != rows) return Status::BadData("pushes have made rows");
  return one[0].status();
}

}  // namespace sherd::bench
