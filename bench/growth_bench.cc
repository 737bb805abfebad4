#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench_case.h"
#include "bench/job_process.h"
#include "launch/temporary_dir.h"
#include "worker/data/click_log/file.h"

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

std::string FileName(std::uint64_t i) { return "rows-" + std::to_string(i); }

// Rows of the log's own, each file's others than those of all files before. The log has few enough tokens that nearly
// all of them come among the first rows: what grows is the input, and hardly what is learned of it.
Status WriteFile(const std::string& folder, std::uint64_t i) {
  ASSIGN_OR_RETURN(const auto log, ClickLog::Make({.scale = 0.01}));
  ClickLogFile file;
  file.path = folder + "/" + FileName(i);
  file.format = ClickLogFormat::kRowFile;
  file.first_row = i * kFileRows;
  file.rows = kFileRows;
  file.threads = std::max(1u, std::thread::hardware_concurrency());
  return WriteClickLog(*log, file).status();
}

// The first so many files by further names, in a folder of their own.
Status LinkFiles(const std::string& folder, const std::string& inputs, std::uint64_t count) {
  std::error_code error;
  std::filesystem::create_directory(inputs, error);
  for (std::uint64_t i = 0; i < count && !error; ++i) {
    std::filesystem::create_hard_link(folder + "/" + FileName(i), inputs + "/" + FileName(i), error);
  }
  return error ? Status(ErrorCode::kIo, inputs + ": " + error.message()) : Status();
}

Status Measure(const std::string& folder, const Options& options, const Report& report) {
  const std::uint64_t most = std::max<std::uint64_t>(options.rows_or(kMostRows) / kFileRows, 1);
  std::uint64_t written = 0;
  double first_cost = 0, first_memory = 0;
  for (std::uint64_t files = std::max<std::uint64_t>(most / 100, 1); files <= most; files *= 10) {
    const std::string inputs = folder + "/" + std::to_string(files);
    for (; written < files; ++written) RETURN_IF_ERROR(WriteFile(folder, written));
    RETURN_IF_ERROR(LinkFiles(folder, inputs, files));
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
  ASSIGN_OR_RETURN(const std::unique_ptr<TemporaryDir> folder,
                   options.spill_dir.empty() ? TemporaryDir::Make() : TemporaryDir::MakeIn(options.spill_dir));
  return Measure(folder->path(), options, report);
}

}  // namespace sherd::bench
