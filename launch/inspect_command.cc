#include "launch/inspect_command.h"

#include <iostream>
#include <vector>

#include "base/byte_count.h"
#include "base/job_file.h"
#include "launch/checkpoint_choice.h"
#include "launch/progress_display.h"
#include "launch/row_cost.h"
#include "models/model.h"
#include "ps/checkpoint_reader.h"

namespace sherd {
namespace {

Result<std::string> FolderOf(const std::string& dir) {
  if (OpenCheckpoint(dir).ok()) return dir;
  const CheckpointChoice choice = ChooseCheckpoint(dir);
  for (const std::string& note : choice.passed_over) std::cout << note << '\n';
  if (!choice.dir.empty()) return choice.dir;
  return OpenCheckpoint(dir).status();  // neither: why it is none itself
}

void DescribeStand(const proto::Manifest& manifest, const proto::Job& job) {
  const proto::JobState& state = manifest.state();
  std::cout << "job       " << manifest.job_name() << ", model " << job.model().name() << ", seed " << manifest.seed()
            << "\nstands    ";
  state.chunk().empty() ? std::cout << "after epoch " << state.epoch() : std::cout << "in epoch " << state.epoch() + 1;
  std::cout << ", " << WithCommas(state.rows()) << " rows trained in " << ShortDuration(state.seconds()) << ", clock "
            << state.clock();
  if (state.best_epoch() > 0) std::cout << ", best epoch " << state.best_epoch();
  std::uint64_t bytes = 0;
  for (const proto::ShardFile& file : manifest.file()) bytes += file.bytes();
  std::cout << "\nfiles     " << manifest.file_size() << ", " << BytesText(bytes) << '\n';
}

void DescribeTable(const proto::TableSpec& table, const RowCost& row, std::uint64_t rows) {
  const auto of_all = [rows](double bytes) {
    return BytesText(static_cast<std::uint64_t>(bytes * static_cast<double>(rows)));
  };
  const auto text = [](auto precision) { return proto::RowStorage::Precision_Name(precision); };
  std::uint32_t weights = 0;
  for (const proto::SegmentSpec& segment : table.segment()) weights += segment.dim();
  std::cout << "table     " << table.name() << ": " << WithCommas(rows) << " rows of " << weights << " weights, "
            << text(table.storage().weights()) << "; in memory about " << of_all(row.total()) << ": keys and index "
            << of_all(row.index) << ", weights " << of_all(static_cast<double>(row.weights)) << ", state "
            << of_all(static_cast<double>(row.state + row.use)) << '\n';
}

Status DescribeTables(CheckpointReader* reader, const proto::ModelSpec& kept) {
  for (int i = 0; i < reader->model().table_size(); ++i) {
    // As the job keeps it; the files say how it was kept by the run that wrote them.
    proto::TableSpec table = reader->model().table(i);
    for (const proto::TableSpec& spec : kept.table()) {
      if (spec.name() == table.name()) table = spec;
    }
    std::uint64_t rows = 0;
    RETURN_IF_ERROR(reader->ForEachRow(static_cast<std::uint32_t>(i), [&rows](Key, std::span<const float>) {
      ++rows;
      return Status();
    }));
    ASSIGN_OR_RETURN(const RowCost row, MemoryOfRow(table));
    DescribeTable(table, row, rows);
  }
  std::uint64_t parameters = 0;
  RETURN_IF_ERROR(
      reader->ForEachDenseBlock([&](std::uint32_t, std::uint32_t, std::uint32_t length, std::span<const float>) {
        parameters += length;
        return Status();
      }));
  std::cout << "dense     " << WithCommas(parameters) << " parameters in " << reader->model().tensor_size()
            << " tensors" << std::endl;
  return {};
}

}  // namespace

Status InspectCheckpoint(const JobRequest& request) {
  ASSIGN_OR_RETURN(const std::string dir, FolderOf(request.checkpoint));
  ASSIGN_OR_RETURN(const std::unique_ptr<CheckpointReader> reader, CheckpointReader::Open(dir));
  ASSIGN_OR_RETURN(const proto::Job job, ParseJob(reader->manifest().job_text(), dir + " (job file)"));
  ASSIGN_OR_RETURN(const proto::ModelSpec kept, DescribeModel(job));
  std::cout << "checkpoint " << dir << '\n';
  DescribeStand(reader->manifest(), job);
  return DescribeTables(reader.get(), kept);
}

}  // namespace sherd
