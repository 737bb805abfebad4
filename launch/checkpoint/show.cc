#include "launch/checkpoint/show.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "base/byte_count.h"
#include "base/job_file.h"
#include "launch/progress_display.h"
#include "launch/row_cost.h"
#include "models/model.h"
#include "ps/checkpoint_reader.h"
#include "ps/row_layout.h"

namespace sherd {
namespace {

std::string RowsText(std::uint64_t count) { return WithCommas(count) + (count == 1 ? " row" : " rows"); }

void DescribePositions(const proto::JobState& state, const proto::Job& job, std::ostream& out) {
  const auto done = std::ranges::count_if(state.chunk(), [](const auto& chunk) { return chunk.done(); });
  if (state.chunk().empty()) return;
  out << "positions " << done << " of " << state.chunk_size() << " chunks of the epoch done\n";
  for (const proto::ChunkPosition& position : state.chunk()) {
    if (position.done() || position.minibatches() == position.first_minibatch()) continue;
    const proto::Chunk& chunk = position.chunk();
    const auto file = static_cast<int>(chunk.file());
    out << "          chunk " << chunk.id() << " of "
        << (chunk.has_path()                 ? chunk.path()
            : file < job.data().train_size() ? job.data().train(file)
                                             : "file " + std::to_string(file))
        << ", " << (chunk.in_memory() ? "rows " : "bytes ") << WithCommas(chunk.begin()) << " to "
        << WithCommas(chunk.end()) << ": " << position.minibatches() - position.first_minibatch() << " minibatches done"
        << (position.first_minibatch() > 0 ? " from minibatch " + std::to_string(position.first_minibatch()) + " on"
                                           : "")
        << "\n";
  }
}

void DescribeStand(const proto::Manifest& manifest, const proto::Job& job, std::ostream& out) {
  const proto::JobState& state = manifest.state();
  out << "job       " << manifest.job_name() << ", model " << job.model().name() << ", seed " << manifest.seed()
      << "\nstands    ";
  state.chunk().empty() ? out << "after epoch " << state.epoch() : out << "in epoch " << state.epoch() + 1;
  out << ", " << WithCommas(state.rows()) << " rows trained in " << ShortDuration(state.seconds()) << ", clock "
      << state.clock() << (state.finished() ? ", finished" : "") << '\n';
  DescribePositions(state, job, out);
  if (state.best_epoch() > 0) {
    out << "metrics   best " << proto::Evaluation::Metric_Name(job.evaluation().metric()) << " " << state.best_metric()
        << " after epoch " << state.best_epoch() << ", " << state.epochs_without_gain()
        << " epochs without gain since, "
        << "learning rates times " << state.learning_rate_scale() << '\n';
  }
}

// Those of one folder are of one checkpoint of the chain.
void DescribeFiles(const proto::Manifest& manifest, std::ostream& out) {
  struct Part {
    std::string folder;
    bool delta;
    int files = 0;
    std::uint64_t bytes = 0, rows = 0;
  };
  std::vector<Part> parts;
  for (const proto::ShardFile& file : manifest.file()) {
    const std::string folder = std::filesystem::path(file.name()).parent_path().filename();
    const auto same = [&](const Part& part) { return part.folder == folder && part.delta == file.delta(); };
    auto part = std::ranges::find_if(parts, same);
    if (part == parts.end()) part = parts.insert(parts.end(), {.folder = folder, .delta = file.delta()});
    ++part->files;
    part->bytes += file.bytes();
    part->rows += file.rows();
  }
  for (const Part& part : parts) {
    out << "files     " << part.files << (part.delta ? " with changes" : " full") << " of " << RowsText(part.rows)
        << ", " << BytesText(part.bytes) << (part.folder.empty() ? "" : ", in " + part.folder) << '\n';
  }
}

void DescribeTable(const proto::TableSpec& stored, const proto::TableSpec& kept, const RowLayout& layout,
                   const RowCost& cost, std::uint64_t rows, std::uint64_t candidates, std::ostream& out) {
  const auto of_all = [rows](double bytes) {
    return BytesText(static_cast<std::uint64_t>(bytes * static_cast<double>(rows)));
  };
  const auto text = [](auto precision) { return proto::RowStorage::Precision_Name(precision); };
  out << "table     " << stored.name() << ": " << RowsText(rows) << " of " << layout.weight_floats() << " weights, "
      << text(kept.storage().weights());
  if (candidates > 0) out << ", and " << WithCommas(candidates) << " candidates";
  out << "\n          in memory about " << of_all(cost.total()) << ": keys and index " << of_all(cost.index)
      << ", weights " << of_all(static_cast<double>(cost.weights)) << ", state "
      << of_all(static_cast<double>(cost.state + cost.use));
  const std::uint64_t row_bytes = sizeof(Key) + layout.row_bytes();
  out << "\n          on disk " << BytesText(rows * row_bytes + candidates * (sizeof(Key) + sizeof(std::uint32_t)))
      << " as " << text(stored.storage().weights()) << ": keys " << of_all(sizeof(Key)) << ", weights "
      << of_all(layout.state_offset()) << ", state and use " << of_all(layout.state_bytes()) << '\n';
}

// As the job keeps it; the files say how it was kept by the run that wrote them.
const proto::TableSpec& KeptAs(const proto::TableSpec& stored, const proto::ModelSpec& kept) {
  const auto found = std::ranges::find(kept.table(), stored.name(), &proto::TableSpec::name);
  return found == kept.table().end() ? stored : *found;
}

Status DescribeContents(CheckpointReader* reader, const proto::ModelSpec& kept, std::ostream& out) {
  const proto::ModelSpec& model = reader->model();
  std::vector<std::uint64_t> rows(static_cast<std::size_t>(model.table_size())), candidates(rows.size());
  std::uint64_t parameters = 0, dense_bytes = 0;
  CheckpointSlot contents;
  for (Slot slot = 0; slot < kSlots; ++slot) {
    RETURN_IF_ERROR(reader->ReadSlot(slot, &contents));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i] += contents.tables[i].keys.size();
      candidates[i] += contents.tables[i].candidates.size();
    }
    for (const CheckpointSlot::Dense& block : contents.dense) {
      parameters += block.length;
      dense_bytes += block.values.size() * sizeof(float);
    }
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const proto::TableSpec& stored = model.table(static_cast<int>(i));
    const proto::TableSpec& as_kept = KeptAs(stored, kept);
    ASSIGN_OR_RETURN(const RowLayout layout, RowLayout::Make(stored));
    ASSIGN_OR_RETURN(const RowCost cost, MemoryOfRow(as_kept));
    DescribeTable(stored, as_kept, layout, cost, rows[i], candidates[i], out);
  }
  out << "dense     " << WithCommas(parameters) << " parameters in " << model.tensor_size() << " tensors, "
      << BytesText(dense_bytes) << " with their state\n";
  for (const proto::TensorSpec& tensor : model.tensor()) {
    out << "          " << tensor.name() << " " << tensor.rows() << " x " << tensor.cols() << '\n';
  }
  out.flush();
  return {};
}

}  // namespace

Status ShowCheckpoint(const std::string& dir, std::ostream& out) {
  ASSIGN_OR_RETURN(const std::unique_ptr<CheckpointReader> reader, CheckpointReader::Open(dir));
  ASSIGN_OR_RETURN(const proto::Job job, ParseJob(reader->manifest().job_text(), dir + " (job file)"));
  ASSIGN_OR_RETURN(const proto::ModelSpec kept, DescribeModel(job));
  out << "checkpoint " << dir << '\n';
  DescribeStand(reader->manifest(), job, out);
  DescribeFiles(reader->manifest(), out);
  return DescribeContents(reader.get(), kept, out);
}

}  // namespace sherd
