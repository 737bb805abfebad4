// What a table gives to a checkpoint: its rows as they were at the moment of a cut.
#include <algorithm>
#include <cstring>
#include <utility>

#include "ps/embedding_table.h"

namespace sherd {
namespace {

constexpr std::size_t kAhead = 12;  // rows between a prefetch and its use

using CutRow = EmbeddingTable::CutRow;

[[gnu::always_inline]] inline void PrefetchRow(const RowMemory::View& rows, const CutRow& row, std::size_t weight_bytes,
                                               std::size_t rest_bytes) {
  if (row.bytes != nullptr) return;
  for (std::size_t i = 0; i < std::min<std::size_t>(weight_bytes, 512); i += 64) {
    __builtin_prefetch(rows.Weights(row.number) + i);
  }
  for (std::size_t i = 0; i < std::min<std::size_t>(rest_bytes, 512); i += 64) {
    __builtin_prefetch(rows.Rest(row.number) + i);
  }
}

// Entries of an index stand nearly so already: each a few places from where it belongs.
void SortNearlySorted(std::vector<CutRow>* rows) {
  for (std::size_t i = 1; i < rows->size(); ++i) {
    const CutRow row = (*rows)[i];
    std::size_t to = i;
    for (; to > 0 && (*rows)[to - 1].hash > row.hash; --to) (*rows)[to] = (*rows)[to - 1];
    (*rows)[to] = row;
  }
}

}  // namespace

// A row on disk is gone once its key is, so it is read before.
void EmbeddingTable::NoteErase(Key key, RowPlace place) {
  if (place.candidate()) return changes_.UpdateCandidate(key, place.sightings());
  if (place.resident()) return changes_.Erase(key, place.number());
  std::vector<std::byte> row(layout_.row_bytes());
  if (changes_.Wants(key)) {
    const std::uint32_t number = place.number();
    const Status status = spill_->Read({&key, 1}, {&number, 1}, row.data());
    if (!status.ok() && cut_trouble_.ok()) cut_trouble_ = status;
  }
  changes_.UpdateOnDisk(key, row.data());
}

Status EmbeddingTable::ReadCut(Slot slot, CutSlot* contents) {
  CHECK(changes_.cutting());
  RETURN_IF_ERROR(cut_trouble_);
  contents->Clear();
  changes_.SavedOf(slot, &saved_);
  disk_keys_.clear();
  changes_.delta() ? CollectChanged(slot, contents) : CollectAll(slot, /*at_cut=*/true, contents);
  return CollectRowsOnDisk(contents);
}

// disk_keys_: those that have not been saved.
Status EmbeddingTable::CollectRowsOnDisk(CutSlot* contents) {
  if (disk_keys_.empty()) return {};
  RETURN_IF_ERROR(ReadFromDisk(disk_keys_, &disk_rows_));
  for (std::size_t i = 0; i < disk_keys_.size(); ++i) {
    contents->rows.push_back({.hash = Mix(disk_keys_[i]),
                              .key = disk_keys_[i],
                              .number = 0,
                              .bytes = &disk_rows_[i * layout_.row_bytes()]});
  }
  std::ranges::sort(contents->rows, {}, &CutRow::hash);
  return {};
}

void EmbeddingTable::CollectAll(Slot slot, bool at_cut, CutSlot* contents) {
  const auto there = [&](RowPlace place, Key key) {
    if (!at_cut) return true;
    return place.resident() ? changes_.Untouched(place.number()) : changes_.UntouchedAway(key);
  };
  index_.ForEachOfSlot(slot, [&](Key key, const std::uint32_t* value) {
    const RowPlace place(*value);
    if (!there(place, key)) return;
    if (place.resident()) {
      contents->rows.push_back({.hash = Mix(key), .key = key, .number = place.number(), .bytes = nullptr});
    } else if (place.candidate()) {
      contents->candidates.emplace_back(key, place.sightings());
    } else {
      disk_keys_.push_back(key);
    }
  });
  SortNearlySorted(&contents->rows);
  const std::size_t of_index = contents->rows.size();
  for (const RowChanges::Saved& saved : saved_) GiveSaved(saved, contents);
  const auto middle = contents->rows.begin() + static_cast<std::ptrdiff_t>(of_index);
  std::ranges::inplace_merge(contents->rows, middle, {}, &CutRow::hash);
  std::ranges::sort(contents->candidates, {}, [](const auto& candidate) { return Mix(candidate.first); });
}

void EmbeddingTable::CollectChanged(Slot slot, CutSlot* contents) {
  const std::span<const Key> keys = changes_.ChangedOf(slot);
  auto saved = saved_.begin();
  for (std::size_t first = 0; first < keys.size(); first += kPart) {
    const std::span part = keys.subspan(first, std::min(kPart, keys.size() - first));
    index_.FindAll(part, false, places_.data());
    for (std::size_t i = 0; i < part.size(); ++i) {
      const std::uint64_t hash = Mix(part[i]);
      while (saved != saved_.end() && saved->hash < hash) ++saved;  // not of the delta
      const RowPlace place(places_[i]);
      if (saved != saved_.end() && saved->hash == hash) {
        GiveSaved(*saved, contents);
      } else if (place.value() == kNone) {
        contents->deleted.push_back(part[i]);
      } else if (place.resident() ? !changes_.Untouched(place.number()) : !changes_.UntouchedAway(part[i])) {
        contents->deleted.push_back(part[i]);  // it came after the cut
      } else if (place.resident()) {
        contents->rows.push_back({.hash = hash, .key = part[i], .number = place.number(), .bytes = nullptr});
      } else if (place.candidate()) {
        contents->candidates.emplace_back(part[i], place.sightings());
      } else {
        disk_keys_.push_back(part[i]);
      }
    }
  }
}

void EmbeddingTable::GiveSaved(const RowChanges::Saved& saved, CutSlot* contents) {
  if (saved.row == nullptr) {
    contents->candidates.emplace_back(saved.key, saved.sightings);
  } else {
    contents->rows.push_back({.hash = saved.hash, .key = saved.key, .number = 0, .bytes = saved.row});
  }
}

void EmbeddingTable::CopyRows(std::span<const CutRow> rows, std::byte* to) const {
  const RowMemory::View memory = rows_.view();
  const std::size_t weights = layout_.state_offset(), rest = layout_.row_bytes() - weights;
  for (std::size_t i = 0; i < std::min(kAhead, rows.size()); ++i) PrefetchRow(memory, rows[i], weights, rest);
  for (std::size_t i = 0; i < rows.size(); ++i, to += weights + rest) {
    if (i + kAhead < rows.size()) PrefetchRow(memory, rows[i + kAhead], weights, rest);
    if (rows[i].bytes != nullptr) {
      std::memcpy(to, rows[i].bytes, weights + rest);
    } else {
      std::memcpy(to, memory.Weights(rows[i].number), weights);
      std::memcpy(to + weights, memory.Rest(rows[i].number), rest);
    }
  }
}

Status EmbeddingTable::ReadSlot(Slot slot, SlotContents* contents) {
  slot_.Clear();
  saved_.clear();
  disk_keys_.clear();
  CollectAll(slot, /*at_cut=*/false, &slot_);
  RETURN_IF_ERROR(CollectRowsOnDisk(&slot_));
  const std::size_t bytes = layout_.row_bytes();
  read_rows_.resize(slot_.rows.size() * bytes);
  CopyRows(slot_.rows, read_rows_.data());
  contents->rows.clear();
  for (std::size_t i = 0; i < slot_.rows.size(); ++i) contents->rows.emplace_back(slot_.rows[i].key, &read_rows_[i * bytes]);
  contents->candidates = slot_.candidates;
  return {};
}

}  // namespace sherd
