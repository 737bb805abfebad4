#include "ps/row_changes.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sherd {
namespace {

std::size_t WordsOf(std::uint64_t rows) { return (rows + 63) / 64; }

}  // namespace

// ---- what the table tells ------------------------------------------------------------------------------------------

void RowChanges::Make(Key key, std::uint32_t row) {
  MakeBits(row);
  if (tracking_) {
    TestAndSet(&changed_, row);
    Note(key);
  }
  if (!cutting_) return;
  TestAndSet(&saved_, row);
  TouchSlotOf(key);
}

void RowChanges::UpdateCandidate(Key key, std::uint32_t sightings) {
  if (tracking_) Note(key);
  if (cutting_) SaveAway(key, nullptr, sightings);
}

void RowChanges::Erase(Key key, std::uint32_t row) {
  Update(key, row);
  if (tracking_) Clear(&changed_, row);  // the number's next row notes itself
}

void RowChanges::UpdateOnDisk(Key key, const std::byte* row) {
  if (tracking_) Note(key);
  if (cutting_) SaveAway(key, row, 0);
}

void RowChanges::Leave(Key key, std::uint32_t row) {
  if (tracking_) Clear(&changed_, row);  // if it has changed its key is noted
  if (!cutting_) return;
  if (Test(saved_, row) && !Written(key)) saved_away_.insert(key);
  TouchSlotOf(key);
}

// It may have changed before it left, which nothing tells any more.
void RowChanges::Return(Key key, std::uint32_t row) {
  MakeBits(row);
  if (tracking_) {
    TestAndSet(&changed_, row);
    Note(key);
  }
  if (!cutting_) return;
  TouchSlotOf(key);
  if (Written(key) || saved_away_.contains(key)) {
    TestAndSet(&saved_, row);
  } else {
    Clear(&saved_, row);
  }
}

void RowChanges::MakeBits(std::uint32_t row) {
  const std::size_t words = WordsOf(std::uint64_t{row} + 1);
  if (tracking_ && changed_.size() < words) changed_.resize(words);
  if (cutting_ && saved_.size() < words) saved_.resize(words, ~std::uint64_t{0});
}

void RowChanges::Note(Key key) {
  if (too_many_) return;
  noted_[SlotOf(key) - first_].push_back(key);
  if (++noted_count_ > std::max<std::uint64_t>(kAlwaysNoted, rows_->rows() / kMostShare)) StopNoting();
}

void RowChanges::StopNoting() {
  too_many_ = true;
  noted_ = {};
  noted_count_ = 0;
}

// ---- saving --------------------------------------------------------------------------------------------------------

void RowChanges::Save(Key key, std::uint32_t row) {
  if (Written(key)) return;
  TouchSlotOf(key);
  rows_->Read(row, RowOf(AddRecord(key, 0)));
}

// What was not there at the cut leaves only its key.
void RowChanges::SaveAway(Key key, const std::byte* row, std::uint32_t sightings) {
  if (Written(key) || !saved_away_.insert(key).second) return;
  TouchSlotOf(key);
  if (row == nullptr && sightings == 0) return;
  Record* const record = AddRecord(key, sightings);
  if (row != nullptr) std::memcpy(RowOf(record), row, rows_->row_bytes());
}

RowChanges::Record* RowChanges::AddRecord(Key key, std::uint32_t sightings) {
  if (free_ == kNone) {
    const auto first = static_cast<std::uint32_t>(chunks_.size() * kChunkRecords);
    chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kChunkRecords * record_bytes()));
    for (std::uint32_t i = 0; i < kChunkRecords; ++i) {
      RecordAt(first + i)->next = i + 1 < kChunkRecords ? first + i + 1 : kNone;
    }
    free_ = first;
  }
  const std::uint32_t number = free_;
  Record* const record = RecordAt(number);
  free_ = record->next;
  std::uint32_t& head = heads_[SlotOf(key) - first_];
  *record = {.key = key, .next = std::exchange(head, number), .sightings = sightings};
  ++saved_count_;
  return record;
}

// ---- the cut -------------------------------------------------------------------------------------------------------

void RowChanges::BeginCut(bool delta, bool track) {
  EndCut();
  cutting_ = true;
  delta_ = delta;
  next_slot_ = first_;
  heads_.assign(end_ - first_, kNone);
  touched_slots_.assign(end_ - first_, false);
  const std::size_t words = WordsOf(rows_->rows());
  if (delta) {
    saved_ = std::move(changed_);
    saved_.resize(words);
    for (std::uint64_t& word : saved_) word = ~word;  // what has not changed need not be saved
    delta_keys_ = std::move(noted_);
  } else {
    saved_.assign(words, 0);
  }
  noted_.clear();
  if (track) noted_.resize(end_ - first_);
  noted_count_ = 0;
  too_many_ = false;
  tracking_ = track;
  changed_.assign(track ? words : 0, 0);
}

void RowChanges::EndCut() {
  cutting_ = false;
  Bits().swap(saved_);
  saved_away_ = {};
  delta_keys_ = {};
  chunks_.clear();
  free_ = kNone;
  saved_count_ = 0;
}

void RowChanges::EndSlot(Slot slot) {
  std::uint32_t& head = heads_[slot - first_];
  for (std::uint32_t number = std::exchange(head, kNone); number != kNone; --saved_count_) {
    const std::uint32_t next = std::exchange(RecordAt(number)->next, free_);
    free_ = std::exchange(number, next);
  }
  next_slot_ = slot + 1;
}

void RowChanges::SavedOf(Slot slot, std::vector<Saved>* saved) const {
  saved->clear();
  for (std::uint32_t number = heads_[slot - first_]; number != kNone;) {
    Record* const record = RecordAt(number);
    saved->push_back({.hash = Mix(record->key),
                      .key = record->key,
                      .row = record->sightings == 0 ? RowOf(record) : nullptr,
                      .sightings = record->sightings});
    number = record->next;
  }
  std::ranges::sort(*saved, {}, &Saved::hash);
}

// Hashes are even over a slot, so each tells about where its key belongs, and few steps are left: a third of the time
// of std::sort.
void RowChanges::SortByHash(std::vector<Key>* keys) {
  const auto home = [n = keys->size()](std::uint64_t hash) { return Below(hash << 12, n); };
  ends_.assign(keys->size(), 0);
  for (const Key key : *keys) ++ends_[home(Mix(key))];
  for (std::size_t i = 1; i < ends_.size(); ++i) ends_[i] += ends_[i - 1];
  sorted_.resize(keys->size());
  for (const Key key : *keys) sorted_[--ends_[home(Mix(key))]] = {.hash = Mix(key), .key = key};
  for (std::size_t i = 0; i < sorted_.size(); ++i) {
    const Hashed entry = sorted_[i];
    std::size_t to = i;
    for (; to > 0 && sorted_[to - 1].hash > entry.hash; --to) sorted_[to] = sorted_[to - 1];
    sorted_[to] = entry;
  }
  for (std::size_t i = 0; i < sorted_.size(); ++i) (*keys)[i] = sorted_[i].key;
}

std::span<const Key> RowChanges::ChangedOf(Slot slot) {
  std::vector<Key>& keys = delta_keys_[slot - first_];
  SortByHash(&keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

}  // namespace sherd
