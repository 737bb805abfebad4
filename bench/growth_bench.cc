#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "bench/bench_case.h"
#include "bench/click_log.h"
#include "bench/job_process.h"
#include "bench/row_files.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kMostRows = 100'000'000, kFileRows = 1'000'000;

std::string JobText(const std::string& folder) {
  return R"(
name: "growth"
feature { column: "I1..I13" bucket {} }
feature { column: "C1..C26" categorical {} }
train { batch_size: 4096 epochs: 1 }
model {
  name: "fm"
  embedding_dim: 4
  embedding_optimizer { adagrad { learning_rate: 0.02 } }
}
cluster { servers: 1 workers: 1 }
data { format: ROW_FILE in_memory_bytes: 0 train: ")" +
         folder + "/rows-*\" }\n";
}

// So many files, which are one and the same by many names: what grows is the input and nothing that is learned of it.
Status LinkFiles(const std::string& file, const std::string& folder, std::uint64_t count) {
  std::error_code error;
  std::filesystem::create_directory(folder, error);
  for (std::uint64_t i = 0; i < count && !error; ++i) {
    std::filesystem::create_hard_link(file, folder + "/rows-" + std::to_string(i), error);
  }
  return error ? Status(ErrorCode::kIo, folder + ": " + error.message()) : Status();
}

Status Measure(const std::string& folder, const Options& options, const Report& report) {
  std::string log = options.click_log;
  if (log.empty()) {
    log = folder + "/log.tsv";
    RETURN_IF_ERROR(WriteClickLog(log, kFileRows));
  }
  const std::string file = folder + "/log.rows";
  RETURN_IF_ERROR(ConvertClickLog(log, file));
  const std::uint64_t most = std::max<std::uint64_t>(options.rows_or(kMostRows) / kFileRows, 1);
  double first_cost = 0, first_memory = 0;
  for (std::uint64_t files = std::max<std::uint64_t>(most / 100, 1); files <= most; files *= 10) {
    const std::string inputs = folder + "/" + std::to_string(files);
    RETURN_IF_ERROR(LinkFiles(file, inputs, files));
    std::vector<double> costs, seconds, memory;
    double rows = 0;
    for (std::uint64_t turn = 0; turn < (files < most ? 3u : 1u); ++turn) {
      ASSIGN_OR_RETURN(const JobOutcome job, TrainJob(folder, JobText(inputs)));
      rows = job.rows;
      costs.push_back(job.cpu_seconds / job.rows);
      seconds.push_back(job.seconds / job.rows);
      memory.push_back(job.most_memory);
    }
    const double cost = Median(costs);
    if (first_cost == 0) first_cost = cost, first_memory = Median(memory);
    report(Figure{.value = 1e6 * cost,
                  .unit = "cpu us/row",
                  .floor = 1e6 * first_cost,
                  .ratio = first_cost / cost,
                  .part = "." + std::to_string(static_cast<std::uint64_t>(rows)),
                  .fields = {}}
               .With("us_a_row", 1e6 * Median(seconds))
               .With("memory_mb", Median(memory) / 1e6)
               .With("memory_ratio", Median(memory) / first_memory));
  }
  return {};
}

}  // namespace

Status DataGrowth(const Options& options, const Report& report) {
  std::string folder = JoinPath(options.spill_dir.empty() ? "/tmp" : options.spill_dir, "sherd-bench-XXXXXX");
  if (::mkdtemp(folder.data()) == nullptr) return Status::Io("make a folder", errno);
  const Status status = Measure(folder, options, report);
  RETURN_IF_ERROR(RemoveTree(folder));
  return status;
}

}  // namespace sherd::bench
