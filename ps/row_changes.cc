#include "ps/row_changes.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sherd {
namespace {

bool ByHash(Key a, Key b) { return Mix(a) < Mix(b); }

std::size_t WordsOf(std::uint64_t rows) { return (rows + 63) / 64; }

}  // namespace

// ---- what the table tells ------------------------------------------------------------------------------------------

void RowChanges::Make(Key key, std::uint32_t row) {
  MakeBits(row);
  if (tracking_) {
    TestAndSet(&changed_, row);
    Note(key);
  }
  if (cutting_) TestAndSet(&saved_, row);
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
  if (cutting_ && Test(saved_, row) && !Written(key)) saved_away_.insert(key);
}

// It may have changed before it left, which nothing tells any more.
void RowChanges::Return(Key key, std::uint32_t row) {
  MakeBits(row);
  if (tracking_) {
    TestAndSet(&changed_, row);
    Note(key);
  }
  if (!cutting_) return;
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
  noted_[PartOf(SlotOf(key))].push_back(key);
  if (++noted_count_ > std::max<std::uint64_t>(kAlwaysNoted, rows_->rows() / kMostShare)) StopNoting();
}

void RowChanges::StopNoting() {
  too_many_ = true;
  for (std::vector<Key>& part : noted_) std::vector<Key>().swap(part);
  noted_count_ = 0;
}

// ---- saving --------------------------------------------------------------------------------------------------------

void RowChanges::Save(Key key, std::uint32_t row) {
  if (Written(key)) return;
  rows_->Read(row, RowOf(AddRecord(key, 0)));
}

// What was not there at the cut leaves only its key.
void RowChanges::SaveAway(Key key, const std::byte* row, std::uint32_t sightings) {
  if (Written(key) || !saved_away_.insert(key).second) return;
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
  const std::size_t words = WordsOf(rows_->rows());
  if (delta) {
    saved_ = std::move(changed_);
    saved_.resize(words);
    for (std::uint64_t& word : saved_) word = ~word;  // what has not changed need not be saved
    delta_keys_ = std::exchange(noted_, {});
  } else {
    saved_.assign(words, 0);
    noted_ = {};
  }
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
  sorted_part_ = kParts;
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

std::span<const Key> RowChanges::ChangedOf(Slot slot) {
  const std::size_t part = PartOf(slot);
  std::vector<Key>& keys = delta_keys_[part];
  if (part != sorted_part_) {
    if (sorted_part_ < part) std::vector<Key>().swap(delta_keys_[sorted_part_]);
    std::ranges::sort(keys, ByHash);
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    sorted_part_ = part;
  }
  const auto by_slot = [](Key key) { return SlotOf(key); };
  const auto found = std::ranges::equal_range(keys, slot, {}, by_slot);
  return {found.begin(), found.end()};
}

std::uint64_t RowChanges::bytes() const {
  std::uint64_t bytes = (changed_.capacity() + saved_.capacity()) * sizeof(std::uint64_t);
  bytes += chunks_.size() * kChunkRecords * record_bytes();
  for (std::size_t part = 0; part < kParts; ++part) {
    bytes += (noted_[part].capacity() + delta_keys_[part].capacity()) * sizeof(Key);
  }
  return bytes;
}

}  // namespace sherd
