#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "bench/bench_case.h"
#include "bench/bench_table.h"
#include "bench/table_floor.h"
#include "bench/table_maps.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kRows = 100'000'000;
constexpr std::uint64_t kMapRows = 20'000'000;  // what the maps of the standard library and of Abseil have memory for
constexpr std::size_t kBatches = 32;            // drawn beforehand
// That a contender goes through in one turn: so many that the page tables of its memory are in the cache for most.
constexpr std::size_t kEach = 16;
constexpr Draw kDraws[] = {Draw::kUniform, Draw::kZipf};

enum class Work { kPull, kPush };

// The batches of a measurement and what they read and write. Each contender goes through them by itself, and begins
// with other ones, so that none finds in the cache what another has just fetched.
struct Requests {
  std::vector<KeyBatch> batches;
  std::vector<float> gradients, out;
  std::size_t keys = 0;  // of one turn

  Requests(Draw draw, std::uint64_t rows, std::uint32_t dim)
      : batches(DrawBatches({draw, 0, rows}, kBatches, BatchSize(rows, kBatch), FloorRows::IndexLines(rows))),
        gradients(Gradients(dim)),
        out(kBatch * dim),
        keys(kEach * batches[0].keys.size()) {}
};

// A contender that does `work(batch)` for the next few batches at each turn.
template <class Work>
Contender Through(const Requests& requests, Work work, std::size_t place = 0) {
  return [&requests, work, next = place * kEach]() mutable {
    for (std::size_t i = 0; i < kEach; ++i) work(requests.batches[next++ % kBatches]);
  };
}

Contender TableContender(Work work, Requests* requests, BenchTable* table) {
  return Through(*requests, [=](const KeyBatch& batch) {
    if (work == Work::kPull) {
      table->Pull(batch.keys, requests->out.data());
    } else {
      table->Push(batch.keys, requests->gradients.data());
    }
  });
}

Contender FloorContender(Work work, std::size_t ahead, std::size_t place, Requests* requests, FloorRows* floor) {
  const auto go = [=](const KeyBatch& batch) {
    if (work == Work::kPull) {
      floor->Copy(batch, ahead, requests->out.data());
    } else {
      floor->Step(batch, ahead, requests->gradients.data());
    }
  };
  return Through(*requests, go, place);
}

Contender MapContender(Work work, Requests* requests, RowMap* map) {
  return Through(*requests, [=](const KeyBatch& batch) {
    if (work == Work::kPull) {
      map->Copy(batch.keys, requests->out.data());
    } else {
      map->Step(batch.keys, requests->gradients.data());
    }
  });
}

// The table against the floor at its best distance, in turns of as many keys: so both find the caches as the other has
// left them.
Figure CompareToFloor(Work work, Draw draw, std::uint64_t rows, BenchTable* table, FloorRows* floor) {
  Requests requests(draw, rows, table->shape().dim);
  std::vector<Contender> floors;
  for (const std::size_t ahead : FloorRows::kAheads) {
    floors.push_back(FloorContender(work, ahead, 1, &requests, floor));
  }
  const Contender& best = floors[FastestOf(floors, kTurns)];
  const double keys = static_cast<double>(requests.keys);
  Figure figure = CompareInTurns(keys, "rows/s", TableContender(work, &requests, table), {best}, kShortTurns);
  figure.With("keys", NameOf(draw)).With("rows", static_cast<double>(rows)).With("dim", table->shape().dim);
  return figure;
}

Status CompareToMap(Work work, const std::string& name, std::unique_ptr<RowMap> map, BenchTable* table,
                    const Report& report) {
  const std::uint64_t rows = table->rows();
  for (std::uint64_t row = 0; row < rows; ++row) map->Insert(KeyOf(row), 0.01f * UnitFloat(Mix(row)));
  for (const Draw draw : kDraws) {
    Requests requests(draw, rows, table->shape().dim);
    const KeyBatch& batch = requests.batches[0];
    map->Copy(batch.keys, requests.out.data());
    for (std::size_t i = 0; draw == kDraws[0] && i < batch.keys.size(); ++i) {
      if (requests.out[i * table->shape().dim] != 0.01f * UnitFloat(Mix(batch.rows[i]))) {
        return Status::BadData(name + " has lost a row");
      }
    }
    Figure figure = CompareInTurns(static_cast<double>(requests.keys), "rows/s", TableContender(work, &requests, table),
                                   {MapContender(work, &requests, map.get())}, kShortTurns);
    figure.part = "." + name;
    report(figure.With("keys", NameOf(draw)).With("rows", static_cast<double>(rows)).With("dim", table->shape().dim));
  }
  return table->status();
}

Status CheckAfter(Work work, const std::vector<float>& gradients, BenchTable* table) {
  RETURN_IF_ERROR(table->status());
  if (work == Work::kPull) return {};
  const KeyBatch batch = DrawBatches({Draw::kUniform, 0, table->rows()}, 1, BatchSize(table->rows(), kBatch), 1)[0];
  return CheckPush(batch.keys, gradients, table);
}

Status PullOrPush(Work work, const Options& options, const Report& report) {
  const std::vector<float> gradients = Gradients(options.dim);
  const std::uint64_t rows = options.rows_or(kRows), map_rows = std::min(rows, kMapRows);
  {
    ASSIGN_OR_RETURN(BenchTable table, MakeFilled({.dim = options.dim}, rows, gradients));
    FloorRows floor(rows, options.dim);
    for (const Draw draw : kDraws) report(CompareToFloor(work, draw, rows, &table, &floor));
    RETURN_IF_ERROR(CheckAfter(work, gradients, &table));
  }
  ASSIGN_OR_RETURN(BenchTable table, MakeFilled({.dim = options.dim}, map_rows, gradients));
  RETURN_IF_ERROR(CompareToMap(work, "absl", MakeFlatHashMap(map_rows, options.dim), &table, report));
  return CompareToMap(work, "unordered_map", MakeUnorderedMap(map_rows, options.dim), &table, report);
}

// Of the processor outside the kernel: without the first touch of memory, which a virtual machine may have to wait for.
double UserSeconds() {
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec) + 1e-6 * static_cast<double>(usage.ru_utime.tv_usec);
}

// First weights written to fresh memory, row after row.
double WritingRate(std::uint64_t rows, const std::vector<float>& gradients, std::uint32_t dim) {
  FloorRows floor(rows, dim, FloorRows::Touch::kWhenUsed);
  double seconds = 0;
  KeyBatch batch;
  for (std::uint64_t begin = 0; begin < rows; begin += kBatch) {
    batch.rows.clear();
    batch.lines.clear();
    for (std::uint64_t row = begin; row < std::min(rows, begin + kBatch); ++row) {
      batch.rows.push_back(static_cast<std::uint32_t>(row));
      batch.lines.push_back(static_cast<std::uint32_t>(Below(Mix(row, 3), FloorRows::IndexLines(rows))));
    }
    seconds += Seconds([&] { floor.Write(batch, 32, gradients.data()); });
  }
  return static_cast<double>(rows) / seconds;
}

}  // namespace

Status TablePull(const Options& options, const Report& report) { return PullOrPush(Work::kPull, options, report); }
Status TablePush(const Options& options, const Report& report) { return PullOrPush(Work::kPush, options, report); }

Status TableInsert(const Options& options, const Report& report) {
  const std::vector<float> gradients = Gradients(options.dim);
  const std::uint64_t rows = options.rows_or(kRows);
  const double floor = WritingRate(rows, gradients, options.dim);
  std::vector<double> seconds;
  double user_seconds = 0;
  {
    ASSIGN_OR_RETURN(BenchTable table, BenchTable::Make({.dim = options.dim}));
    const FirstSteps steps(0, rows, &table);
    const double before = UserSeconds();
    seconds = InsertRows(gradients, 0, rows, &table);
    user_seconds = UserSeconds() - before;
    RETURN_IF_ERROR(steps.Check(gradients, &table));
    if (table.rows() != rows) return Status::BadData("rows are missing");
  }
  double sum = 0;
  for (const double s : seconds) sum += s;
  Figure figure{
      .value = static_cast<double>(rows) / sum, .unit = "rows/s", .floor = floor, .ratio = 0, .part = {}, .fields = {}};
  figure.ratio = figure.value / figure.floor;
  const double longest = *std::max_element(seconds.begin(), seconds.end());
  report(figure.With("rows", static_cast<double>(rows))
             .With("dim", options.dim)
             .With("user_ns_a_row", user_seconds * 1e9 / static_cast<double>(rows))
             .With("longest_ms", longest * 1e3)
             .With("longest_over_median", longest / Median(seconds)));
  return {};
}

Status TableGrowth(const Options& options, const Report& report) {
  const std::vector<float> gradients = Gradients(options.dim);
  const std::uint64_t rows = options.rows_or(kRows);
  ASSIGN_OR_RETURN(BenchTable table, BenchTable::Make({.dim = options.dim}));
  const FirstSteps steps(0, rows, &table);
  std::vector<double> ratios[std::size(kDraws)];
  for (const std::uint64_t size : {rows / 100, rows / 10, rows}) {
    InsertRows(gradients, table.rows(), size, &table);
    FloorRows floor(size, options.dim);
    for (std::size_t i = 0; i < std::size(kDraws); ++i) {
      const Figure figure = CompareToFloor(Work::kPull, kDraws[i], size, &table, &floor);
      report(figure);
      ratios[i].push_back(figure.ratio);
    }
  }
  RETURN_IF_ERROR(steps.Check(gradients, &table));
  for (std::size_t i = 0; i < std::size(kDraws); ++i) {
    const auto [least, most] = std::minmax_element(ratios[i].begin(), ratios[i].end());
    Figure figure{.value = *least,
                  .unit = "of the floor",
                  .floor = *most,
                  .ratio = *least / *most,
                  .part = ".spread",
                  .fields = {}};
    report(figure.With("keys", NameOf(kDraws[i])).With("spread", *most / *least - 1));
  }
  return {};
}

}  // namespace sherd::bench
