// What a table gives to a checkpoint: its rows as they were at the moment of a cut.
#include <algorithm>
#include <cstring>
#include <utility>

#include "ps/embedding_table.h"

namespace sherd {
namespace {

constexpr std::size_t kAhead = 16;  // rows between a prefetch and its use

using CutRow = EmbeddingTable::CutRow;

// Rows are short, a call of memcpy would cost more than the copying. kBytes: how many, or 0 where that is not known
// when compiling.
template <std::uint32_t kBytes>
[[gnu::always_inline]] inline void CopyBytes(const std::byte* from, std::size_t bytes, std::byte* to) {
  if constexpr (kBytes != 0) {
    std::memcpy(to, from, kBytes);
  } else {
    std::memcpy(to, from, bytes);
  }
}

// The processor goes on by itself in what is longer.
[[gnu::always_inline]] inline void PrefetchBytes(const std::byte* at, std::size_t bytes) {
  for (std::size_t line = 0; line < std::min<std::size_t>(bytes, 512); line += 64) __builtin_prefetch(at + line);
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
  for (std::uint32_t i = 0; i < disk_keys_.size(); ++i) {
    const Key key = disk_keys_[i];
    contents->rows.push_back({.hash = Mix(key), .key = key, .at = CutRow::At::kReadFromDisk, .number = i});
  }
  std::ranges::sort(contents->rows, {}, &CutRow::hash);
  return {};
}

void EmbeddingTable::CollectAll(Slot slot, bool at_cut, CutSlot* contents) {
  const bool as_it_was = !at_cut || changes_.SlotUntouched(slot);
  index_.ForEachOfSlot(slot, [&](Key key, const std::uint32_t* value) {
    const RowPlace place(*value);
    if (place.resident()) {
      if (!as_it_was) changes_.Prefetch(place.number());
      contents->rows.push_back({.hash = Mix(key), .key = key, .at = CutRow::At::kInMemory, .number = place.number()});
      return;
    }
    if (!as_it_was && !changes_.UntouchedAway(key)) return;
    if (place.candidate()) {
      contents->candidates.emplace_back(key, place.sightings());
    } else {
      disk_keys_.push_back(key);
    }
  });
  if (!as_it_was) std::erase_if(contents->rows, [&](const CutRow& row) { return !changes_.Untouched(row.number); });
  SortNearlySorted(&contents->rows);
  const std::size_t of_index = contents->rows.size();
  for (std::size_t i = 0; i < saved_.size(); ++i) GiveSaved(i, contents);
  const auto middle = contents->rows.begin() + static_cast<std::ptrdiff_t>(of_index);
  std::ranges::inplace_merge(contents->rows, middle, {}, &CutRow::hash);
  std::ranges::sort(contents->candidates, {}, [](const auto& candidate) { return Mix(candidate.first); });
}

void EmbeddingTable::CollectChanged(Slot slot, CutSlot* contents) {
  const std::span<const Key> keys = changes_.ChangedOf(slot);
  std::size_t saved = 0;
  for (std::size_t first = 0; first < keys.size(); first += kPart) {
    const std::span part = keys.subspan(first, std::min(kPart, keys.size() - first));
    index_.FindAll(part, false, places_.data());
    for (std::size_t i = 0; i < part.size(); ++i) {
      const std::uint64_t hash = Mix(part[i]);
      while (saved < saved_.size() && saved_[saved].hash < hash) ++saved;  // not of the delta
      const RowPlace place(places_[i]);
      if (saved < saved_.size() && saved_[saved].hash == hash) {
        GiveSaved(saved, contents);
      } else if (place.value() == kNone) {
        contents->deleted.push_back(part[i]);
      } else if (place.resident() ? !changes_.Untouched(place.number()) : !changes_.UntouchedAway(part[i])) {
        contents->deleted.push_back(part[i]);  // it came after the cut
      } else if (place.resident()) {
        __builtin_prefetch(rows_.Weights(place.number()));  // CopyRows comes soon
        __builtin_prefetch(rows_.Rest(place.number()));
        contents->rows.push_back({.hash = hash, .key = part[i], .at = CutRow::At::kInMemory, .number = place.number()});
      } else if (place.candidate()) {
        contents->candidates.emplace_back(part[i], place.sightings());
      } else {
        disk_keys_.push_back(part[i]);
      }
    }
  }
}

void EmbeddingTable::GiveSaved(std::size_t number, CutSlot* contents) const {
  const RowChanges::Saved& saved = saved_[number];
  if (saved.row == nullptr) {
    contents->candidates.emplace_back(saved.key, saved.sightings);
  } else {
    contents->rows.push_back(
        {.hash = saved.hash, .key = saved.key, .at = CutRow::At::kSaved, .number = static_cast<std::uint32_t>(number)});
  }
}

template <std::uint32_t kWeights, std::uint32_t kRest>
void EmbeddingTable::CopyRowsOf(std::span<const CutRow> rows, std::byte* to) const {
  const RowMemory::View memory = rows_.view();
  const std::size_t weights = layout_.state_offset(), row_bytes = layout_.row_bytes(), rest = row_bytes - weights;
  const auto prefetch = [&](const CutRow& row) __attribute__((always_inline)) {
    if (row.at != CutRow::At::kInMemory) return;
    PrefetchBytes(memory.Weights(row.number), weights);
    PrefetchBytes(memory.Rest(row.number), rest);
  };
  for (std::size_t i = 0; i < std::min(kAhead, rows.size()); ++i) prefetch(rows[i]);
  for (std::size_t i = 0; i < rows.size(); ++i, to += row_bytes) {
    if (i + kAhead < rows.size()) prefetch(rows[i + kAhead]);
    const std::uint32_t number = rows[i].number;
    switch (rows[i].at) {
      case CutRow::At::kInMemory:
        CopyBytes<kWeights>(memory.Weights(number), weights, to);
        CopyBytes<kRest>(memory.Rest(number), rest, to + weights);
        break;
      case CutRow::At::kSaved:
        std::memcpy(to, saved_[number].row, row_bytes);
        break;
      case CutRow::At::kReadFromDisk:
        std::memcpy(to, &disk_rows_[number * row_bytes], row_bytes);
        break;
    }
  }
}

void EmbeddingTable::CopyRows(std::span<const CutRow> rows, std::byte* to) const {
  const std::size_t weights = layout_.state_offset(), rest = layout_.row_bytes() - weights;
  if (weights == 64 && rest == 4) return CopyRowsOf<64, 4>(rows, to);
  if (weights == 32 && rest == 4) return CopyRowsOf<32, 4>(rows, to);
  CopyRowsOf<0, 0>(rows, to);
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
  for (std::size_t i = 0; i < slot_.rows.size(); ++i)
    contents->rows.emplace_back(slot_.rows[i].key, &read_rows_[i * bytes]);
  contents->candidates = slot_.candidates;
  return {};
}

}  // namespace sherd
