#include "ps/checkpoint_reader.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/manifest.h"
#include "base/partition.h"

namespace sherd {
namespace {

// Opens a file that a manifest names and checks it against what the manifest says of it.
Result<std::unique_ptr<ShardFileReader>> OpenFile(const std::string& dir, const proto::ShardFile& file) {
  const std::string path = JoinPath(dir, file.name());
  ASSIGN_OR_RETURN(auto reader, ShardFileReader::Open(path));
  if (reader->bytes() != file.bytes() || reader->first_slot() != file.first_slot() ||
      reader->end_slot() != file.end_slot() || reader->rows() != file.rows() || reader->delta() != file.delta() ||
      reader->crc().value_or(file.crc()) != file.crc()) {
    return Status::BadData(path + ": is not the file that the manifest describes");
  }
  return reader;
}

// The files that have slots of [first, end), by first slot. BadData: some slot is in no file, or in two.
Result<std::vector<const proto::ShardFile*>> FilesOfSlots(const proto::Manifest& manifest, Slot first, Slot end) {
  std::vector<const proto::ShardFile*> files;
  for (const proto::ShardFile& file : manifest.file()) {
    if (file.first_slot() < end && file.end_slot() > first && file.first_slot() < file.end_slot())
      files.push_back(&file);
  }
  std::ranges::sort(files, {}, [](const proto::ShardFile* file) { return file->first_slot(); });
  Slot covered = first;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const bool overlaps = i > 0 && files[i]->first_slot() < files[i - 1]->end_slot();
    if (files[i]->first_slot() > covered || overlaps) break;
    covered = files[i]->end_slot();
  }
  if (covered < end)
    return Status::BadData("manifest: the files do not hold slot " + std::to_string(covered) + " once");
  return files;
}

// Puts what a file holds into a store, by the names of tables and tensors.
class StoreFiller : public ShardFileVisitor {
 public:
  explicit StoreFiller(ShardStore* store) : store_(store) {
    for (std::size_t i = 0; i < store->dense().blocks().size(); ++i) {
      const DenseBlock& place = store->dense().blocks()[i].place;
      missing_[{place.tensor, place.first}] = i;
    }
  }

  // The file that comes next.
  Status Begin(const proto::ModelSpec& model) {
    tables_.assign(static_cast<std::size_t>(model.table_size()), kAbsent);
    layouts_.clear();
    for (const proto::TableSpec& table : model.table()) {
      ASSIGN_OR_RETURN(RowLayout layout, RowLayout::Make(table));
      layouts_.push_back(std::move(layout));
    }
    store_->DealBudget();
    for (int i = 0; i < store_->model().table_size(); ++i) RETURN_IF_ERROR(MatchTable(model, i));
    tensors_.assign(static_cast<std::size_t>(model.tensor_size()), kAbsent);
    for (int i = 0; i < store_->model().tensor_size(); ++i) RETURN_IF_ERROR(MatchTensor(model, i));
    return {};
  }

  Status OnRows(std::uint32_t table, std::span<const Key> keys, std::span<const std::byte> rows) override {
    if (tables_[table] == kAbsent) return {};
    EmbeddingTable& target = store_->table(tables_[table]);
    const RowLayout& theirs = layouts_[table];
    if (rows.size() != keys.size() * theirs.row_bytes()) {
      return Status::BadData("table '" + store_->model().table(static_cast<int>(tables_[table])).name() + "' has " +
                             std::to_string(rows.size() / keys.size()) + " bytes a row with its optimizers, not " +
                             std::to_string(theirs.row_bytes()));
    }
    const bool same = SameBytes(theirs, target.layout());
    row_.resize(target.layout().row_bytes());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const std::byte* row = &rows[i * theirs.row_bytes()];
      if (!same) Convert(theirs, row, target.layout());
      RETURN_IF_ERROR(target.Restore(keys[i], same ? row : row_.data()));
    }
    return {};
  }

  Status OnCandidates(std::uint32_t table, std::span<const Key> keys,
                      std::span<const std::uint32_t> sightings) override {
    if (tables_[table] == kAbsent) return {};
    EmbeddingTable& target = store_->table(tables_[table]);
    if (target.layout().storage().admit_after() <= 1) return {};
    for (std::size_t i = 0; i < keys.size(); ++i) RETURN_IF_ERROR(target.RestoreCandidate(keys[i], sightings[i]));
    return {};
  }

  Status OnDeleted(std::uint32_t table, std::span<const Key> keys) override {
    return Status::BadData("deltas are not read yet");
  }

  Status OnDense(std::uint32_t tensor, std::uint32_t first, std::uint32_t length,
                 std::span<const float> values) override {
    if (tensors_[tensor] == kAbsent) return {};
    const auto found = missing_.find({tensors_[tensor], first});
    if (found == missing_.end()) return Status::BadData("a dense block comes twice, or is not of this slot");
    const DenseBlocks::Block& block = store_->dense().blocks()[found->second];
    if (block.place.length != length || block.floats != values.size()) {
      return Status::BadData("a dense block has " + std::to_string(values.size()) + " floats with its optimizer, not " +
                             std::to_string(block.floats));
    }
    store_->dense().Restore(found->second, values);
    missing_.erase(found);
    return {};
  }

  Status Finish() const {
    if (missing_.empty()) return {};
    const auto& [tensor, first] = missing_.begin()->first;
    return Status::BadData("float " + std::to_string(first) + " of tensor '" +
                           store_->model().tensor(static_cast<int>(tensor)).name() + "' is in no file");
  }

 private:
  static constexpr std::uint32_t kAbsent = ~std::uint32_t{0};

  static bool SameBytes(const RowLayout& a, const RowLayout& b) {
    return a.storage().weights() == b.storage().weights() && a.storage().state() == b.storage().state() &&
           a.usage().clock == b.usage().clock && a.usage().second == b.usage().second &&
           a.usage().count == b.usage().count;
  }

  // Into row_. What the file's rows do not tell of their use is taken for never.
  void Convert(const RowLayout& theirs, const std::byte* row, const RowLayout& ours) {
    floats_.Resize(ours.row_floats());
    theirs.DecodeRow(row, floats_.data());
    std::ranges::fill(row_, std::byte{0});
    ours.EncodeRow(floats_.data(), {}, row_.data());
    const auto copy = [&](std::uint32_t from, std::uint32_t to) {
      if (from != 0 && to != 0) std::memcpy(&row_[to], row + from, sizeof(std::uint32_t));
    };
    copy(theirs.usage().clock, ours.usage().clock);
    copy(theirs.usage().second, ours.usage().second);
    copy(theirs.usage().count, ours.usage().count);
  }

  Status MatchTable(const proto::ModelSpec& model, int i) {
    const proto::TableSpec& ours = store_->model().table(i);
    const auto theirs = std::ranges::find(model.table(), ours.name(), &proto::TableSpec::name);
    if (theirs == model.table().end()) return Status::BadData("the checkpoint has no table '" + ours.name() + "'");
    const auto same = [](const proto::SegmentSpec& a, const proto::SegmentSpec& b) {
      return a.name() == b.name() && a.dim() == b.dim() && a.optimizer().kind_case() == b.optimizer().kind_case();
    };
    if (!std::ranges::equal(ours.segment(), theirs->segment(), same)) {
      return Status::BadData("table '" + ours.name() + "' has other segments, dims or optimizers in the checkpoint");
    }
    // Optimizers of one kind may differ in what they keep: with momentum, or without.
    const std::uint32_t floats = store_->table(static_cast<std::size_t>(i)).layout().row_floats();
    const std::uint32_t theirs_floats = layouts_[static_cast<std::size_t>(theirs - model.table().begin())].row_floats();
    if (floats != theirs_floats) {
      return Status::BadData("table '" + ours.name() + "' has " + std::to_string(theirs_floats) +
                             " floats a row in the checkpoint with its optimizers' state, not " +
                             std::to_string(floats));
    }
    tables_[static_cast<std::size_t>(theirs - model.table().begin())] = static_cast<std::uint32_t>(i);
    return {};
  }

  Status MatchTensor(const proto::ModelSpec& model, int i) {
    const proto::TensorSpec& ours = store_->model().tensor(i);
    const auto theirs = std::ranges::find(model.tensor(), ours.name(), &proto::TensorSpec::name);
    if (theirs == model.tensor().end()) return Status::BadData("the checkpoint has no tensor '" + ours.name() + "'");
    if (ours.rows() != theirs->rows() || ours.cols() != theirs->cols() ||
        ours.optimizer().kind_case() != theirs->optimizer().kind_case()) {
      return Status::BadData("tensor '" + ours.name() + "' has another shape or optimizer in the checkpoint");
    }
    tensors_[static_cast<std::size_t>(theirs - model.tensor().begin())] = static_cast<std::uint32_t>(i);
    return {};
  }

  ShardStore* const store_;
  std::vector<RowLayout> layouts_;  // of the file's tables
  AlignedBuffer<float> floats_;
  std::vector<std::byte> row_;
  std::vector<std::uint32_t> tables_, tensors_;                             // from the file's numbers to ours
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::size_t> missing_;  // dense blocks by tensor and first float
};

Status LoadFile(const std::string& dir, const proto::ShardFile& file, const ShardStore& store, StoreFiller* filler) {
  ASSIGN_OR_RETURN(auto reader, OpenFile(dir, file));
  RETURN_IF_ERROR(filler->Begin(reader->model()).Annotate(JoinPath(dir, file.name())));
  const Slot end = std::min(reader->end_slot(), store.end_slot());
  for (Slot slot = std::max(reader->first_slot(), store.first_slot()); slot < end; ++slot) {
    RETURN_IF_ERROR(reader->ReadSlot(slot, filler));
  }
  return {};
}

}  // namespace

Status LoadShard(const std::string& dir, ShardStore* store) {
  ASSIGN_OR_RETURN(const proto::Manifest manifest, ReadManifest(dir));
  ASSIGN_OR_RETURN(const auto files, FilesOfSlots(manifest, store->first_slot(), store->end_slot()));
  store->Clear();
  StoreFiller filler(store);
  for (const proto::ShardFile* file : files) RETURN_IF_ERROR(LoadFile(dir, *file, *store, &filler));
  return filler.Finish().Annotate(dir);
}

Result<std::unique_ptr<CheckpointReader>> CheckpointReader::Open(const std::string& dir) {
  ASSIGN_OR_RETURN(proto::Manifest manifest, ReadManifest(dir));
  std::unique_ptr<CheckpointReader> reader(new CheckpointReader(std::move(manifest)));
  ASSIGN_OR_RETURN(const auto files, FilesOfSlots(reader->manifest_, 0, kSlots));
  for (const proto::ShardFile* file : files) {
    ASSIGN_OR_RETURN(auto opened, OpenFile(dir, *file));
    reader->files_.push_back(std::move(opened));
  }
  return reader;
}

const proto::ModelSpec& CheckpointReader::model() const { return files_.front()->model(); }

Status CheckpointReader::ForEachSlot(ShardFileVisitor* visitor) {
  for (const auto& file : files_) {
    for (Slot slot = file->first_slot(); slot < file->end_slot(); ++slot)
      RETURN_IF_ERROR(file->ReadSlot(slot, visitor));
  }
  return {};
}

Status CheckpointReader::ForEachRow(std::uint32_t table, const RowFunction& function) {
  class Rows : public ShardFileVisitor {
   public:
    Rows(std::uint32_t table, const RowLayout& layout, const RowFunction& function)
        : table_(table), layout_(layout), function_(function), floats_(layout.row_floats()) {}
    Status OnRows(std::uint32_t table, std::span<const Key> keys, std::span<const std::byte> rows) override {
      if (table != table_) return {};
      if (rows.size() != keys.size() * layout_.row_bytes()) return Status::BadData("has rows of another length");
      for (std::size_t i = 0; i < keys.size(); ++i) {
        layout_.DecodeRow(&rows[i * layout_.row_bytes()], floats_.data());
        RETURN_IF_ERROR(function_(keys[i], floats_));
      }
      return {};
    }
    Status OnCandidates(std::uint32_t, std::span<const Key>, std::span<const std::uint32_t>) override { return {}; }
    Status OnDeleted(std::uint32_t, std::span<const Key>) override { return {}; }
    Status OnDense(std::uint32_t, std::uint32_t, std::uint32_t, std::span<const float>) override { return {}; }

   private:
    const std::uint32_t table_;
    const RowLayout& layout_;
    const RowFunction& function_;
    std::vector<float> floats_;
  };
  ASSIGN_OR_RETURN(const RowLayout layout, RowLayout::Make(model().table(static_cast<int>(table))));
  Rows rows(table, layout, function);
  return ForEachSlot(&rows);
}

Status CheckpointReader::ForEachDenseBlock(const DenseFunction& function) {
  class Blocks : public ShardFileVisitor {
   public:
    explicit Blocks(const DenseFunction& function) : function_(function) {}
    Status OnRows(std::uint32_t, std::span<const Key>, std::span<const std::byte>) override { return {}; }
    Status OnCandidates(std::uint32_t, std::span<const Key>, std::span<const std::uint32_t>) override { return {}; }
    Status OnDeleted(std::uint32_t, std::span<const Key>) override { return {}; }
    Status OnDense(std::uint32_t tensor, std::uint32_t first, std::uint32_t length,
                   std::span<const float> values) override {
      return function_(tensor, first, length, values);
    }

   private:
    const DenseFunction& function_;
  };
  Blocks blocks(function);
  return ForEachSlot(&blocks);
}

}  // namespace sherd
