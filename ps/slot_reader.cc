#include "ps/slot_reader.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>

#include "base/file.h"
#include "base/manifest.h"
#include "ps/row_layout.h"

namespace sherd {
namespace {

void Clear(std::size_t tables, SlotContents* contents) {
  contents->tables.resize(tables);
  for (SlotContents::Table& table : contents->tables) {
    table.keys.clear();
    table.rows.clear();
    table.candidates.clear();
    table.sightings.clear();
  }
  contents->dense.clear();
}

// Keys in the order of old files, with what belongs to each, into that of new ones.
template <class T>
void SortByHash(std::size_t each, std::vector<Key>* keys, std::vector<T>* values) {
  if (std::ranges::is_sorted(*keys, ComesBefore)) return;
  std::vector<std::size_t> order(keys->size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return ComesBefore((*keys)[a], (*keys)[b]); });
  std::vector<Key> sorted_keys(keys->size());
  std::vector<T> sorted(values->size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    sorted_keys[i] = (*keys)[order[i]];
    std::copy_n(&(*values)[order[i] * each], each, &sorted[i * each]);
  }
  keys->swap(sorted_keys);
  values->swap(sorted);
}

// Keys that a delta says anything of, in order.
std::vector<Key> Touched(const SlotContents::Table& change, const std::vector<Key>& deleted) {
  std::vector<Key> touched = change.keys;
  touched.insert(touched.end(), change.candidates.begin(), change.candidates.end());
  touched.insert(touched.end(), deleted.begin(), deleted.end());
  std::ranges::sort(touched, ComesBefore);
  return touched;
}

// Goes through what is left of `base` and what a delta has in its place: keep(i) and take(j) in the order of keys.
template <class Keep, class Take>
void MergeKeys(std::span<const Key> base, std::span<const Key> change, std::span<const Key> touched, const Keep& keep,
               const Take& take) {
  std::size_t j = 0, t = 0;
  for (std::size_t i = 0; i < base.size(); ++i) {
    while (j < change.size() && ComesBefore(change[j], base[i])) take(j++);
    while (t < touched.size() && ComesBefore(touched[t], base[i])) ++t;
    if (t == touched.size() || touched[t] != base[i]) keep(i);
  }
  while (j < change.size()) take(j++);
}

}  // namespace

class SlotReader::Gatherer : public ShardFileVisitor {
 public:
  Gatherer(const std::vector<std::uint32_t>& row_bytes, Part* part) : row_bytes_(row_bytes), part_(part) {}

  Status OnRows(std::uint32_t table, std::span<const Key> keys, std::span<const std::byte> rows) override {
    if (rows.size() != keys.size() * row_bytes_[table]) return Status::BadData("has rows of another length");
    SlotContents::Table& to = part_->contents.tables[table];
    to.keys.insert(to.keys.end(), keys.begin(), keys.end());
    to.rows.insert(to.rows.end(), rows.begin(), rows.end());
    return {};
  }
  Status OnCandidates(std::uint32_t table, std::span<const Key> keys,
                      std::span<const std::uint32_t> sightings) override {
    SlotContents::Table& to = part_->contents.tables[table];
    to.candidates.insert(to.candidates.end(), keys.begin(), keys.end());
    to.sightings.insert(to.sightings.end(), sightings.begin(), sightings.end());
    return {};
  }
  Status OnDeleted(std::uint32_t table, std::span<const Key> keys) override {
    part_->deleted[table].insert(part_->deleted[table].end(), keys.begin(), keys.end());
    return {};
  }
  Status OnDense(std::uint32_t tensor, std::uint32_t first, std::uint32_t length,
                 std::span<const float> values) override {
    part_->contents.dense.push_back(
        {.tensor = tensor, .first = first, .length = length, .values = {values.begin(), values.end()}});
    return {};
  }

 private:
  const std::vector<std::uint32_t>& row_bytes_;
  Part* const part_;
};

Result<std::unique_ptr<SlotReader>> SlotReader::Open(const std::string& dir) {
  ASSIGN_OR_RETURN(proto::Manifest manifest, ReadManifest(dir));
  if (manifest.file().empty()) return Status::BadData(dir + ": its manifest names no files");
  std::unique_ptr<SlotReader> reader(new SlotReader(std::move(manifest)));
  RETURN_IF_ERROR(reader->OpenFiles(dir));
  for (const proto::TableSpec& table : reader->model().table()) {
    ASSIGN_OR_RETURN(const RowLayout layout, RowLayout::Make(table));
    reader->row_bytes_.push_back(layout.row_bytes());
  }
  return reader;
}

Status SlotReader::OpenFiles(const std::string& dir) {
  std::vector<bool> covered(kSlots);
  for (const proto::ShardFile& said : manifest_.file()) {
    const std::string path = JoinPath(dir, said.name());
    ASSIGN_OR_RETURN(auto file, ShardFileReader::Open(path));
    if (file->bytes() != said.bytes() || file->first_slot() != said.first_slot() ||
        file->end_slot() != said.end_slot() || file->rows() != said.rows() || file->delta() != said.delta() ||
        file->crc().value_or(said.crc()) != said.crc()) {
      return Status::BadData(path + ": is not the file that the manifest describes");
    }
    if (!files_.empty() && file->model().SerializeAsString() != model().SerializeAsString())
      return Status::BadData(path + ": is of another model than the files before it");
    for (Slot slot = said.first_slot(); slot < said.end_slot(); ++slot) {
      if (covered[slot] != said.delta()) {
        return Status::BadData(path + (said.delta() ? ": holds changes of slot " : ": holds slot ") +
                               std::to_string(slot) + (said.delta() ? ", which no file before it has" : " again"));
      }
      covered[slot] = true;
    }
    files_.push_back(std::move(file));
  }
  const auto missing = std::ranges::find(covered, false);
  if (missing == covered.end()) return {};
  return Status::BadData(dir + ": slot " + std::to_string(missing - covered.begin()) + " is in no file");
}

Status SlotReader::Read(Slot slot, SlotContents* contents) {
  bool first = true;
  for (const auto& file : files_) {
    if (slot < file->first_slot() || slot >= file->end_slot()) continue;
    RETURN_IF_ERROR(ReadPart(file.get(), slot, &part_));
    if (std::exchange(first, false)) {
      std::swap(*contents, part_.contents);
    } else {
      Change(part_, contents);
    }
  }
  return {};
}

Status SlotReader::ReadPart(ShardFileReader* file, Slot slot, Part* part) const {
  Clear(row_bytes_.size(), &part->contents);
  part->deleted.resize(row_bytes_.size());
  for (std::vector<Key>& deleted : part->deleted) deleted.clear();
  Gatherer gatherer(row_bytes_, part);
  RETURN_IF_ERROR(file->ReadSlot(slot, &gatherer));
  for (std::size_t i = 0; i < row_bytes_.size(); ++i) {
    SlotContents::Table& table = part->contents.tables[i];
    SortByHash(row_bytes_[i], &table.keys, &table.rows);
    SortByHash(1, &table.candidates, &table.sightings);
  }
  std::ranges::sort(part->contents.dense, {}, [](const auto& block) { return std::pair(block.tensor, block.first); });
  return {};
}

void SlotReader::Change(const Part& change, SlotContents* contents) {
  for (std::size_t i = 0; i < row_bytes_.size(); ++i) {
    const SlotContents::Table& changed = change.contents.tables[i];
    SlotContents::Table& table = contents->tables[i];
    const std::vector<Key> touched = Touched(changed, change.deleted[i]);
    if (touched.empty()) continue;
    merged_ = {};
    const auto add_row = [&, bytes = row_bytes_[i]](const SlotContents::Table& from, std::size_t row) {
      merged_.keys.push_back(from.keys[row]);
      merged_.rows.insert(merged_.rows.end(), &from.rows[row * bytes], &from.rows[row * bytes] + bytes);
    };
    MergeKeys(
        table.keys, changed.keys, touched, [&](std::size_t row) { add_row(table, row); },
        [&](std::size_t row) { add_row(changed, row); });
    const auto add_candidate = [&](const SlotContents::Table& from, std::size_t candidate) {
      merged_.candidates.push_back(from.candidates[candidate]);
      merged_.sightings.push_back(from.sightings[candidate]);
    };
    MergeKeys(
        table.candidates, changed.candidates, touched, [&](std::size_t key) { add_candidate(table, key); },
        [&](std::size_t key) { add_candidate(changed, key); });
    std::swap(merged_, table);
  }
  for (const SlotContents::DenseBlock& block : change.contents.dense) {
    const auto same = [&](const auto& other) { return other.tensor == block.tensor && other.first == block.first; };
    const auto found = std::ranges::find_if(contents->dense, same);
    found == contents->dense.end() ? contents->dense.push_back(block) : static_cast<void>(*found = block);
  }
}

}  // namespace sherd
