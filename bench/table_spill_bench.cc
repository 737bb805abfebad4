#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "bench/bench_case.h"
#include "bench/bench_table.h"
#include "bench/disk_reads.h"
#include "bench/process_memory.h"
#include "bench/table_floor.h"
#include "launch/temporary_dir.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kRows = 500'000'000;
constexpr std::uint64_t kHotPart = 10;                      // the last tenth of the rows is what is asked for
constexpr std::uint64_t kDiskPerRow = 80;                   // free disk wanted: the rows once, and as much again
constexpr std::uint64_t kColdOneIn = 100;                   // keys of mixed batches
constexpr std::uint64_t kReserve = std::uint64_t{2} << 30;  // for the requests, the system and its page cache
constexpr std::size_t kBatches = 32, kEach = 16;

TableShape HalfPrecision(std::uint32_t dim) { return {.dim = dim, .weights = proto::RowStorage::BF16}; }

// Nine tenths of what the table would take, so that it must spill; less where the machine has less.
std::uint64_t Budget(const TableShape& shape, std::uint64_t rows, std::uint64_t available) {
  const std::uint64_t others = rows / kHotPart * shape.least_row_bytes() / 100 * 125 + kReserve;
  const std::uint64_t wanted = rows * shape.least_row_bytes() / 10 * 9;
  return available > others ? std::min(wanted, available - others) : 0;
}

// What keeps the case from running here; empty: nothing.
std::string Obstacle(const std::string& folder, std::uint64_t rows, std::uint64_t budget) {
  std::error_code error;
  const std::uint64_t free_disk = std::filesystem::space(folder, error).available;
  if (error) return folder + ": " + error.message();
  if (free_disk < rows * kDiskPerRow) {
    return folder + " has " + std::to_string(free_disk >> 30) + " GB free, " + std::to_string(rows) + " rows need " +
           std::to_string(rows * kDiskPerRow >> 30) + " GB; --spill_dir=PATH takes another disk, --rows=N fewer rows";
  }
  // The index stays in memory, and so should the rows that are asked for.
  if (budget < rows * 16) return std::to_string(rows) + " rows need more memory than is free; --rows=N takes fewer";
  return {};
}

std::vector<KeyBatch> HotBatches(std::uint64_t begin, std::uint64_t end) {
  return DrawBatches({Draw::kUniform, begin, end}, kBatches, BatchSize(end - begin, kBatch), 1);
}

// One key in a hundred from the older half, none of them twice.
void MixColdKeys(std::uint64_t rows, std::uint64_t* cold, std::vector<KeyBatch>* batches) {
  for (KeyBatch& batch : *batches) {
    for (std::size_t i = 0; i < batch.keys.size(); i += kColdOneIn) {
      batch.keys[i] = KeyOf((*cold)++ * 2'654'435'761 % (rows / 2));
    }
  }
}

Contender PullEach(const std::vector<KeyBatch>& batches, std::vector<float>* out, BenchTable* table) {
  return [&batches, out, table, next = std::size_t{0}]() mutable {
    for (std::size_t i = 0; i < kEach; ++i) table->Pull(batches[next++ % kBatches].keys, out->data());
  };
}

Figure Labelled(Figure figure, const char* part, std::uint64_t rows, const BenchTable& table) {
  figure.part = part;
  return figure.With("keys", "uniform").With("rows", static_cast<double>(rows)).With("dim", table.shape().dim);
}

// Recent rows of the table that spills against a table that has those rows alone, all in memory.
Status CompareRecent(std::uint64_t rows, const std::vector<float>& gradients, BenchTable* spilling,
                     const Report& report) {
  const std::uint64_t hot = rows / kHotPart;
  ASSIGN_OR_RETURN(BenchTable resident, MakeFilled(HalfPrecision(spilling->shape().dim), hot, gradients));
  const std::vector<KeyBatch> batches = HotBatches(rows - hot, rows), others = HotBatches(0, hot);
  std::vector<float> out(kBatch * spilling->shape().dim);
  const double keys = static_cast<double>(kEach * batches[0].keys.size());
  const Figure figure = CompareInTurns(keys, "rows/s", PullEach(batches, &out, spilling),
                                       {PullEach(others, &out, &resident)}, kShortTurns);
  report(Labelled(figure, ".recent", rows, *spilling));
  return resident.status();
}

// Batches with cold keys, drawn anew each turn: a row that was fetched once is cold no more.
Status CompareMixed(std::uint64_t rows, const std::string& folder, BenchTable* table, const Report& report) {
  std::vector<KeyBatch> batches = HotBatches(rows - rows / kHotPart, rows);
  std::vector<float> out(kBatch * table->shape().dim);
  std::vector<double> ours, disk;
  std::uint64_t cold = 0, read = 0;
  for (int turn = 0; turn < kTurns; ++turn) {
    ASSIGN_OR_RETURN(const double reads, RandomReadsPerSecond(folder));
    disk.push_back(reads);
    MixColdKeys(rows, &cold, &batches);
    ASSIGN_OR_RETURN(const std::uint64_t before, BytesReadFromDisk());
    const double seconds = Seconds([&] {
      for (const KeyBatch& batch : batches) table->Pull(batch.keys, out.data());
    });
    ASSIGN_OR_RETURN(const std::uint64_t after, BytesReadFromDisk());
    read += after - before;
    ours.push_back(static_cast<double>(kBatches * batches[0].keys.size()) / seconds);
  }
  const double value = Median(ours), reads = Median(disk), floor = reads * kColdOneIn;
  const Figure figure{
      .value = value, .unit = "rows/s", .floor = floor, .ratio = value / floor, .part = {}, .fields = {}};
  report(Labelled(figure, ".mixed", rows, *table)
             .With("disk_reads_per_s", reads)
             .With("cold_one_in", kColdOneIn)
             .With("bytes_read_per_cold_key", static_cast<double>(read) / static_cast<double>(cold)));
  return table->status();
}

Status Spill(const TableShape& shape, std::uint64_t rows, const Report& report) {
  const std::vector<float> gradients = Gradients(shape.dim);
  ASSIGN_OR_RETURN(const ProcessMemory start, ReadProcessMemory());
  ASSIGN_OR_RETURN(BenchTable table, BenchTable::Make(shape));
  const FirstSteps steps(0, rows, &table);
  const double seconds = Seconds([&] { InsertRows(gradients, 0, rows, &table); });
  RETURN_IF_ERROR(table.status());
  if (table.rows() != rows) return Status::BadData("rows are missing");
  ASSIGN_OR_RETURN(const ProcessMemory now, ReadProcessMemory());
  const double resident = static_cast<double>(now.resident - std::min(now.resident, start.resident));
  const auto budget = static_cast<double>(shape.memory_budget), all = static_cast<double>(rows);
  const Figure built{
      .value = all / seconds, .unit = "rows/s", .floor = all / seconds, .ratio = 1, .part = {}, .fields = {}};
  report(Labelled(built, ".insert", rows, table)
             .With("memory_budget", budget)
             .With("resident", resident)
             .With("spilled_rows", static_cast<double>(table.spilled_rows())));
  RETURN_IF_ERROR(CompareRecent(rows, gradients, &table, report));
  RETURN_IF_ERROR(CompareMixed(rows, shape.spill_dir, &table, report));
  return steps.Check(gradients, &table);
}

}  // namespace

Status TableSpill(const Options& options, const Report& report) {
  const std::uint64_t rows = options.rows_or(kRows);
  ASSIGN_OR_RETURN(const ProcessMemory memory, ReadProcessMemory());
  ASSIGN_OR_RETURN(const std::unique_ptr<TemporaryDir> folder,
                   TemporaryDir::MakeIn(options.spill_dir.empty() ? "." : options.spill_dir));
  TableShape shape = HalfPrecision(options.dim);
  shape.spill_dir = folder->path();
  shape.memory_budget = Budget(shape, rows, memory.available);
  if (const std::string why = Obstacle(folder->path(), rows, shape.memory_budget); !why.empty()) {
    Skip("table.spill", why);
    return {};
  }
  return InChild([&] { return Spill(shape, rows, report); });
}

}  // namespace sherd::bench
