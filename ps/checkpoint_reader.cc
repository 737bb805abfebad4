#include "ps/checkpoint_reader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/manifest.h"
#include "base/partition.h"
#include "ps/checkpoint_files.h"
#include "ps/slot_merger.h"

namespace sherd {
namespace {

constexpr std::size_t kBuffersBytes = std::size_t{64} << 20;  // of all files that are read at one time
constexpr std::size_t kPage = 4096;

// Passes on what one method of its heir takes.
class Visitor : public ShardFileVisitor {
 public:
  Status OnRows(std::uint32_t, std::span<const Key>, std::span<const std::byte>) override { return {}; }
  Status OnCandidates(std::uint32_t, std::span<const Key>, std::span<const std::uint32_t>) override { return {}; }
  Status OnDeleted(std::uint32_t, std::span<const Key>) override { return {}; }
  Status OnDense(std::uint32_t, std::uint32_t, std::uint32_t, std::span<const float>) override { return {}; }
};

// What one file says of a key, if anything.
class KeySearch : public Visitor {
 public:
  KeySearch(std::uint32_t table, Key key) : table_(table), key_(key) {}

  Status OnRows(std::uint32_t table, std::span<const Key> keys, std::span<const std::byte> rows) override {
    const std::size_t i = IndexIn(table, keys);
    if (i == keys.size()) return {};
    const std::size_t bytes = rows.size() / keys.size();
    const auto row = rows.subspan(i * bytes, bytes);
    found_.emplace().row.assign(row.begin(), row.end());
    return {};
  }
  Status OnCandidates(std::uint32_t table, std::span<const Key> keys,
                      std::span<const std::uint32_t> sightings) override {
    const std::size_t i = IndexIn(table, keys);
    if (i < keys.size()) found_.emplace().sightings = sightings[i];
    return {};
  }
  Status OnDeleted(std::uint32_t table, std::span<const Key> keys) override {
    if (IndexIn(table, keys) < keys.size()) found_.emplace();
    return {};
  }

  std::optional<CheckpointReader::KeyContents>& found() { return found_; }

 private:
  std::size_t IndexIn(std::uint32_t table, std::span<const Key> keys) const {
    return table == table_ ? static_cast<std::size_t>(std::ranges::find(keys, key_) - keys.begin()) : keys.size();
  }

  const std::uint32_t table_;
  const Key key_;
  std::optional<CheckpointReader::KeyContents> found_;
};

Status Pass(const CheckpointSlot& slot, ShardFileVisitor* visitor) {
  for (std::uint32_t t = 0; t < slot.tables.size(); ++t) {
    const CheckpointSlot::Table& table = slot.tables[t];
    if (!table.keys.empty()) RETURN_IF_ERROR(visitor->OnRows(t, table.keys, table.rows));
    if (!table.candidates.empty()) RETURN_IF_ERROR(visitor->OnCandidates(t, table.candidates, table.sightings));
  }
  for (const CheckpointSlot::Dense& dense : slot.dense) {
    RETURN_IF_ERROR(visitor->OnDense(dense.tensor, dense.first, dense.length, dense.values));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<CheckpointReader>> CheckpointReader::Open(const std::string& dir) {
  ASSIGN_OR_RETURN(proto::Manifest manifest, ReadManifest(dir));
  std::unique_ptr<CheckpointReader> reader(new CheckpointReader(std::move(manifest)));
  const auto files = FilesOfSlots(reader->manifest_, 0, kSlots);
  if (!files.ok()) return files.status().Annotate(dir);
  for (const proto::ShardFile& file : reader->manifest_.file()) {
    ASSIGN_OR_RETURN(auto opened, OpenShardFile(dir, file));
    reader->files_.push_back(std::move(opened));
    if (reader->files_.back()->model().SerializeAsString() == reader->model().SerializeAsString()) continue;
    return Status::BadData(reader->files_.back()->path() + ": its model is another than that of " +
                           reader->files_.front()->path());
  }
  for (const proto::TableSpec& table : reader->model().table()) {
    ASSIGN_OR_RETURN(RowLayout layout, RowLayout::Make(table));
    reader->layouts_.push_back(std::move(layout));
  }
  return reader;
}

std::vector<ShardFileReader*> CheckpointReader::FilesOf(Slot slot) const {
  std::vector<ShardFileReader*> files;
  for (const auto& file : files_) {
    if (file->first_slot() <= slot && slot < file->end_slot()) files.push_back(file.get());
  }
  return files;
}

Status CheckpointReader::ForEachSlot(ShardFileVisitor* visitor) {
  CheckpointSlot contents;
  for (Slot slot = 0; slot < kSlots; ++slot) {
    const std::vector<ShardFileReader*> files = FilesOf(slot);
    const std::size_t buffer = kBuffersBytes / ReadAhead::kBuffers / files.size() / kPage * kPage;
    for (ShardFileReader* file : files) {
      if (slot == file->first_slot())
        file->StartReadAhead(slot, file->end_slot(), std::clamp(buffer, 16 * kPage, ReadAhead::kBufferBytes));
    }
    if (files.size() == 1 && files[0]->version() >= 3) {
      RETURN_IF_ERROR(files[0]->ReadSlot(slot, visitor));
    } else {
      RETURN_IF_ERROR(ReadSlot(slot, &contents));
      RETURN_IF_ERROR(Pass(contents, visitor));
    }
    for (ShardFileReader* file : files) {
      if (slot + 1 == file->end_slot()) file->EndReadAhead();
    }
  }
  for (int i = 0; i < manifest_.file_size(); ++i) {
    RETURN_IF_ERROR(CheckContents(*files_[static_cast<std::size_t>(i)], manifest_.file(i)));
  }
  return {};
}

Status CheckpointReader::ReadSlot(Slot slot, CheckpointSlot* contents) {
  SlotMerger merger(layouts_);
  for (ShardFileReader* file : FilesOf(slot)) RETURN_IF_ERROR(file->ReadSlot(slot, &merger));
  merger.Finish(contents);
  return {};
}

Result<CheckpointReader::KeyContents> CheckpointReader::Find(std::uint32_t table, Key key) {
  std::vector<ShardFileReader*> files = FilesOf(SlotOf(key));
  std::ranges::reverse(files);
  for (ShardFileReader* file : files) {
    KeySearch search(table, key);
    RETURN_IF_ERROR(file->ReadSlot(SlotOf(key), &search));
    if (search.found().has_value()) return std::move(*search.found());
  }
  return KeyContents();
}

Status CheckpointReader::ForEachRow(std::uint32_t table, const RowFunction& function) {
  class Rows : public Visitor {
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

   private:
    const std::uint32_t table_;
    const RowLayout& layout_;
    const RowFunction& function_;
    std::vector<float> floats_;
  };
  Rows rows(table, layouts_[table], function);
  return ForEachSlot(&rows);
}

Status CheckpointReader::ForEachDenseBlock(const DenseFunction& function) {
  class Blocks : public Visitor {
   public:
    explicit Blocks(const DenseFunction& function) : function_(function) {}
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
