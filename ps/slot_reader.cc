#include "ps/slot_reader.h"

#include <algorithm>

#include "base/file.h"
#include "base/manifest.h"
#include "ps/row_layout.h"

namespace sherd {
namespace {

class Gatherer : public ShardFileVisitor {
 public:
  Gatherer(const std::vector<std::uint32_t>& row_bytes, SlotContents* contents)
      : row_bytes_(row_bytes), contents_(contents) {}

  Status OnRows(std::uint32_t table, std::span<const Key> keys, std::span<const std::byte> rows) override {
    if (rows.size() != keys.size() * row_bytes_[table]) return Status::BadData("has rows of another length");
    SlotContents::Table& to = contents_->tables[table];
    to.keys.insert(to.keys.end(), keys.begin(), keys.end());
    to.rows.insert(to.rows.end(), rows.begin(), rows.end());
    return {};
  }
  Status OnCandidates(std::uint32_t table, std::span<const Key> keys,
                      std::span<const std::uint32_t> sightings) override {
    SlotContents::Table& to = contents_->tables[table];
    to.candidates.insert(to.candidates.end(), keys.begin(), keys.end());
    to.sightings.insert(to.sightings.end(), sightings.begin(), sightings.end());
    return {};
  }
  Status OnDense(std::uint32_t tensor, std::uint32_t first, std::uint32_t length,
                 std::span<const float> values) override {
    contents_->dense.push_back(
        {.tensor = tensor, .first = first, .length = length, .values = {values.begin(), values.end()}});
    return {};
  }

 private:
  const std::vector<std::uint32_t>& row_bytes_;
  SlotContents* const contents_;
};

}  // namespace

Result<std::unique_ptr<SlotReader>> SlotReader::Open(const std::string& dir) {
  ASSIGN_OR_RETURN(proto::Manifest manifest, ReadManifest(dir));
  if (manifest.file().empty()) return Status::BadData(dir + ": its manifest names no files");
  std::unique_ptr<SlotReader> reader(new SlotReader(std::move(manifest)));
  for (const proto::ShardFile& file : reader->manifest_.file()) {
    ASSIGN_OR_RETURN(auto opened, ShardFileReader::Open(JoinPath(dir, file.name())));
    if (opened->bytes() != file.bytes()) {
      return Status::BadData(JoinPath(dir, file.name()) + ": is not the file that the manifest describes");
    }
    reader->files_.push_back(std::move(opened));
  }
  for (const proto::TableSpec& table : reader->model().table()) {
    ASSIGN_OR_RETURN(const RowLayout layout, RowLayout::Make(table));
    reader->row_bytes_.push_back(layout.row_bytes());
  }
  return reader;
}

Status SlotReader::Read(Slot slot, SlotContents* contents) {
  contents->tables.resize(row_bytes_.size());
  for (SlotContents::Table& table : contents->tables) {
    table.keys.clear();
    table.rows.clear();
    table.candidates.clear();
    table.sightings.clear();
  }
  contents->dense.clear();
  Gatherer gatherer(row_bytes_, contents);
  for (const auto& file : files_) {
    if (slot < file->first_slot() || slot >= file->end_slot()) continue;
    RETURN_IF_ERROR(file->ReadSlot(slot, &gatherer));
  }
  std::ranges::sort(contents->dense, {}, [](const auto& block) { return std::pair(block.tensor, block.first); });
  return {};
}

}  // namespace sherd
