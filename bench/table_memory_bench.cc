#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "bench/bench_case.h"
#include "bench/bench_table.h"
#include "bench/process_memory.h"

namespace sherd::bench {
namespace {

constexpr int kPercents[] = {10, 20, 50, 80, 100};

// Bytes of resident memory over those of keys and rows alone.
Result<Figure> MemoryFigure(const BenchTable& table, const ProcessMemory& start) {
  ASSIGN_OR_RETURN(const ProcessMemory now, ReadProcessMemory());
  const auto least = static_cast<double>(table.rows() * table.shape().least_row_bytes());
  const auto resident = static_cast<double>(now.resident - std::min(now.resident, start.resident));
  const auto most = static_cast<double>(now.most - std::min(now.most, start.resident));
  Figure figure{
      .value = resident / least, .unit = "bytes/byte", .floor = 1, .ratio = resident / least, .part = {}, .fields = {}};
  figure.With("rows", static_cast<double>(table.rows())).With("dim", table.shape().dim);
  figure.With("bytes_per_row", resident / static_cast<double>(table.rows()));
  figure.With("most_ratio", most / least).With("resident", resident).With("swapped", static_cast<double>(now.swapped));
  return figure.With("table_bytes_over_resident", static_cast<double>(table.bytes()) / resident);
}

Status BytesPerRow(const Options& options, const Report& report) {
  const std::vector<float> gradients = Gradients(options.dim);
  const std::uint64_t rows = options.rows_or(100'000'000);
  ASSIGN_OR_RETURN(const ProcessMemory start, ReadProcessMemory());
  ASSIGN_OR_RETURN(BenchTable table, BenchTable::Make({.dim = options.dim}));
  const FirstSteps steps(0, rows, &table);
  for (const int percent : kPercents) {
    InsertRows(gradients, table.rows(), rows * percent / 100, &table);
    ASSIGN_OR_RETURN(const Figure figure, MemoryFigure(table, start));
    report(figure);
  }
  if (table.rows() != rows) return Status::BadData("rows are missing");
  return steps.Check(gradients, &table);
}

Status Capacity(const Options& options, std::uint64_t rows, const Report& report) {
  const std::vector<float> gradients = Gradients(options.dim);
  ASSIGN_OR_RETURN(const ProcessMemory start, ReadProcessMemory());
  ASSIGN_OR_RETURN(BenchTable table, BenchTable::Make({.dim = options.dim}));
  const FirstSteps steps(0, rows, &table);
  std::vector<double> rates;
  std::string tenths;
  for (std::uint64_t tenth = 0; tenth < 10; ++tenth) {
    const std::uint64_t begin = rows * tenth / 10, end = rows * (tenth + 1) / 10;
    const std::vector<double> seconds = InsertRows(gradients, begin, end, &table);
    rates.push_back(static_cast<double>(end - begin) / std::accumulate(seconds.begin(), seconds.end(), 0.0));
    tenths += (tenth == 0 ? "" : ",") + std::to_string(static_cast<std::uint64_t>(rates.back()));
  }
  RETURN_IF_ERROR(steps.Check(gradients, &table));
  if (table.rows() != rows) return Status::BadData("rows are missing");
  ASSIGN_OR_RETURN(const Figure memory, MemoryFigure(table, start));
  ASSIGN_OR_RETURN(const ProcessMemory now, ReadProcessMemory());
  if (now.swapped > 0) return Status::BadData("a part of the table was swapped to disk");
  Figure figure{.value = rates.back(),
                .unit = "rows/s",
                .floor = rates.front(),
                .ratio = rates.back() / rates.front(),
                .part = {},
                .fields = memory.fields};
  figure.With("bytes_per_byte", memory.value);
  figure.fields.emplace_back("tenths", "[" + tenths + "]");
  report(figure);
  return {};
}

}  // namespace

Status TableBytesPerRow(const Options& options, const Report& report) {
  return InChild([&] { return BytesPerRow(options, report); });
}

Status TableCapacity(const Options& options, const Report& report) {
  const std::uint64_t rows = options.rows_or(200'000'000);
  const std::uint64_t needed = rows * TableShape{.dim = options.dim}.least_row_bytes() / 100 * 125;
  ASSIGN_OR_RETURN(const ProcessMemory memory, ReadProcessMemory());
  if (memory.available < needed) {
    Skip("table.capacity", std::to_string(rows) + " rows need " + std::to_string(needed >> 20) + " MB of memory, " +
                               std::to_string(memory.available >> 20) + " MB are available; --rows=N takes fewer");
    return {};
  }
  return InChild([&] { return Capacity(options, rows, report); });
}

}  // namespace sherd::bench
