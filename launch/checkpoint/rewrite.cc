#include "launch/checkpoint/rewrite.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/job_file.h"
#include "base/manifest.h"
#include "launch/checkpoint/folder.h"
#include "ps/checkpoint_reader.h"
#include "ps/row_converter.h"
#include "ps/slot_writer.h"

namespace sherd {
namespace {

void Restore(const Rewriting& rewriting, proto::RowStorage* storage) {
  if (rewriting.weights) storage->set_weights(*rewriting.weights);
  if (rewriting.state) storage->set_state(*rewriting.state);
}

proto::ModelSpec ModelOf(proto::ModelSpec model, const Rewriting& rewriting) {
  for (proto::TableSpec& table : *model.mutable_table()) Restore(rewriting, table.mutable_storage());
  return model;
}

// A job that reads it keeps its rows as they stand there.
std::string JobTextOf(const proto::Manifest& manifest, proto::Job job, const Rewriting& rewriting) {
  if (!rewriting.weights && !rewriting.state) return manifest.job_text();
  Restore(rewriting, job.mutable_model()->mutable_storage());
  for (proto::Table& table : *job.mutable_table()) {
    if (table.has_storage()) Restore(rewriting, table.mutable_storage());
  }
  return JobToText(job);
}

// The folder of the best checkpoint, as a manifest in `out` has it.
std::string BestFrom(const std::string& best, const std::string& dir, const std::string& out) {
  const auto absolute = [](const std::string& path) {
    const auto clean = std::filesystem::absolute(path).lexically_normal();
    return clean.has_filename() ? clean : clean.parent_path();
  };
  if (best.empty()) return "";
  const auto from = absolute(dir), to = absolute(out);
  if (best == from.filename()) return to.filename();
  if (from.parent_path() == to.parent_path()) return best;
  return absolute(JoinPath(from.parent_path(), best)).string();
}

std::uint32_t ShardsOf(const proto::Manifest& manifest) {
  return static_cast<std::uint32_t>(
      std::ranges::count_if(manifest.file(), [](const proto::ShardFile& file) { return !file.delta(); }));
}

class Rewriter {
 public:
  static Result<Rewriter> Make(const std::string& dir, const Rewriting& rewriting) {
    Rewriter rewriter;
    ASSIGN_OR_RETURN(rewriter.reader_, CheckpointReader::Open(dir));
    rewriter.model_ = ModelOf(rewriter.reader_->model(), rewriting);
    for (int i = 0; i < rewriter.model_.table_size(); ++i) {
      ASSIGN_OR_RETURN(RowLayout from, RowLayout::Make(rewriter.reader_->model().table(i)));
      ASSIGN_OR_RETURN(RowLayout to, RowLayout::Make(rewriter.model_.table(i)));
      rewriter.converters_.emplace_back(std::move(from), std::move(to));
    }
    return rewriter;
  }

  const proto::Manifest& manifest() const { return reader_->manifest(); }
  const proto::ModelSpec& model() const { return model_; }

  Result<proto::ShardFile> WriteShard(const SlotWriter::Options& options) {
    const std::uint32_t shard = options.shard, shards = options.shards;
    ASSIGN_OR_RETURN(const auto writer, SlotWriter::Create(model_, options));
    for (Slot slot = FirstSlot(shard, shards); slot < FirstSlot(shard + 1, shards); ++slot) {
      RETURN_IF_ERROR(reader_->ReadSlot(slot, &contents_));
      for (std::size_t i = 0; i < converters_.size(); ++i) Convert(&converters_[i], &contents_.tables[i]);
      RETURN_IF_ERROR(writer->Write(contents_));
    }
    return writer->Finish();
  }

 private:
  void Convert(RowConverter* converter, CheckpointSlot::Table* table) {
    if (converter->same()) return;
    const std::size_t from = converter->from().row_bytes(), to = converter->to().row_bytes();
    rows_.resize(table->keys.size() * to);
    for (std::size_t i = 0; i < table->keys.size(); ++i) converter->Convert(&table->rows[i * from], &rows_[i * to]);
    std::swap(rows_, table->rows);
  }

  std::unique_ptr<CheckpointReader> reader_;
  proto::ModelSpec model_;
  std::vector<RowConverter> converters_;  // by table
  CheckpointSlot contents_;
  std::vector<std::byte> rows_;
};

}  // namespace

Status RewriteCheckpoint(const std::string& dir, const std::string& out, const Rewriting& rewriting) {
  ASSIGN_OR_RETURN(Rewriter rewriter, Rewriter::Make(dir, rewriting));
  proto::Manifest manifest = rewriter.manifest();
  const std::uint32_t shards = rewriting.shards > 0 ? rewriting.shards : ShardsOf(manifest);
  bool compress = false;
  if (manifest.has_job_text()) {
    ASSIGN_OR_RETURN(const proto::Job job, ParseJob(manifest.job_text(), dir + " (job file)"));
    compress = job.checkpoint().compression() == proto::Checkpoint::ZSTD;
    manifest.set_job_text(JobTextOf(manifest, job, rewriting));
  }
  *manifest.mutable_model() = rewriter.model();
  if (manifest.state().has_best_checkpoint()) {
    manifest.mutable_state()->set_best_checkpoint(BestFrom(manifest.state().best_checkpoint(), dir, out));
  }
  ASSIGN_OR_RETURN(OutputFolder folder, OutputFolder::Make(out));
  manifest.clear_file();
  for (std::uint32_t shard = 0; shard < shards; ++shard) {
    ASSIGN_OR_RETURN(*manifest.add_file(),
                     rewriter.WriteShard({.dir = out, .shard = shard, .shards = shards, .compress = compress}));
  }
  RETURN_IF_ERROR(SyncDirectory(out));
  RETURN_IF_ERROR(WriteManifest(out, manifest));
  return folder.Keep();
}

}  // namespace sherd
