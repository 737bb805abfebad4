// What keeps a table within its limits: rows that go to disk and come back, and rows that are deleted.
#include <glog/logging.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "ps/embedding_table.h"

namespace sherd {
namespace {

constexpr std::uint64_t kMostSpillRows = 1 << 17;  // written at once
constexpr int kSegmentsAtOnce = 2;                 // of the spill file's, made compact at once

// What an entry of the index takes at least.
constexpr std::uint64_t kEntryBytes = 15;

// Rows are counted with their entries in the list of free rows, which grows as others go: memory that rows have had is
// not given back.
std::uint64_t BytesOf(const RowMemory& rows, std::uint64_t count) {
  return count * (rows.row_bytes() + sizeof(std::uint32_t));
}
std::uint64_t BytesAfter(const RowMemory& rows, std::uint64_t more) {
  return BytesOf(rows, rows.BytesAfter(more) / rows.row_bytes());
}

std::uint32_t Word(const std::byte* row, std::uint32_t offset) {
  std::uint32_t word;
  std::memcpy(&word, row + offset, sizeof(word));
  return word;
}

}  // namespace

// ---- the budget ----------------------------------------------------------------------------------------------------

// A table that may neither evict nor spill takes what it needs: MemoryWatch stops the job.
bool EmbeddingTable::HasRoom(const Need& need) const {
  if (budget_ == 0 || layout_.storage().at_budget() == proto::RowStorage::STOP) return true;
  if (spills_) {
    // Half for the hot rows, half for all keys: if they need more MemoryWatch stops the job.
    const std::uint64_t hot = budget_ / 2 / BytesOf(rows_, 1);
    return rows_.BytesAfter(need.rows) <= hot * rows_.row_bytes() || rows_.free_rows() >= need.rows;
  }
  // What it has it may use, even when others have left it less than that.
  const std::uint64_t most = std::max(budget_, index_.bytes() + BytesAfter(rows_, 0));
  const std::uint64_t index = index_.BytesAfter(need.keys);
  if (index + BytesAfter(rows_, need.rows) > most) return false;
  // Nor may the index grow by candidates to where it leaves too little to the rows.
  return index == index_.bytes() || index_.size() + need.keys <= budget_ / (BytesOf(rows_, 1) + kEntryBytes);
}

Status EmbeddingTable::MakeRoom(const Need& need) {
  if (HasRoom(need)) return {};
  return spills_ ? SpillRows(std::max(need.rows, rows_.bytes() / rows_.row_bytes() / 32)) : EvictRows(need);
}

// Goes through the slots until so many rows are free: what was not used since the hand came by goes.
Status EmbeddingTable::SpillRows(std::uint64_t wanted) {
  if (spill_ == nullptr) {
    if (spill_dir_.empty()) return Status::Unavailable("rows have to go to disk, but there is no cluster.spill_dir");
    ASSIGN_OR_RETURN(spill_, SpillFile::Create(spill_dir_, layout_.row_bytes()));
  }
  const std::uint32_t slots = index_.end_slot() - index_.first_slot();
  // The first time round takes all marks off, the second finds every row unmarked.
  for (std::uint32_t passed = 0; rows_.free_rows() < wanted && passed <= 2 * slots;) {
    RETURN_IF_ERROR(SpillSlots(wanted - rows_.free_rows(), &passed));
  }
  return CompactSpill();
}

// Slots from the hand on, until enough is found for one large write.
Status EmbeddingTable::SpillSlots(std::uint64_t wanted, std::uint32_t* passed) {
  std::vector<Key> keys;
  std::vector<std::uint32_t*> values;
  std::vector<std::byte> bytes;
  const std::uint32_t slots = index_.end_slot() - index_.first_slot();
  for (std::uint32_t i = 0; i < slots && keys.size() < std::min(wanted, kMostSpillRows); ++i, ++*passed) {
    index_.TakeMarksOfSlot(hand_, [&](Key key, std::uint32_t* value, bool marked) {
      const RowPlace place(*value);
      if (marked || !place.resident()) return;
      keys.push_back(key);
      values.push_back(value);
      bytes.resize(bytes.size() + rows_.row_bytes());
      rows_.Read(place.number(), &bytes[bytes.size() - rows_.row_bytes()]);
    });
    hand_ = NextSlot(hand_);
  }
  if (keys.empty()) return {};
  std::vector<std::uint32_t> numbers(keys.size());
  if (const Status status = spill_->Append(keys, bytes.data(), numbers.data()); !status.ok()) {
    return Status::Unavailable("pushes wait, since cold rows can not be written: " + status.text());
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (changes_.active()) changes_.Leave(keys[i], RowPlace(*values[i]).number());
    rows_.Free(RowPlace(*values[i]).number());
    *values[i] = RowPlace::OnDisk(numbers[i]).value();
  }
  return {};
}

// What is still alive in segments that are mostly dead is written anew. A failure costs only disk.
Status EmbeddingTable::CompactSpill() {
  SpillFile::Records records;
  for (int i = 0; i < kSegmentsAtOnce; ++i) {
    const std::optional<std::uint32_t> segment = spill_->MostDeadSegment();
    if (!segment.has_value()) return {};
    RETURN_IF_ERROR(spill_->ReadSegment(*segment, &records));
    std::vector<std::uint32_t> numbers(records.keys.size());
    if (!spill_->Append(records.keys, records.rows.data(), numbers.data()).ok()) return {};
    for (std::size_t k = 0; k < numbers.size(); ++k) {
      std::uint32_t* value = index_.Find(records.keys[k], Mix(records.keys[k]));
      CHECK(value != nullptr && *value == RowPlace::OnDisk(records.numbers[k]).value());
      *value = RowPlace::OnDisk(numbers[k]).value();
      spill_->Release(records.numbers[k]);
    }
  }
  return {};
}

void EmbeddingTable::StartReadFromDisk() {
  if (disk_numbers_.empty()) return;
  spill_->StartRead(disk_numbers_);
  disk_numbers_.clear();
}

// disk_rows_: of disk_keys_, whose reads have been started in this order.
Status EmbeddingTable::FinishReadFromDisk() {
  disk_rows_.resize(disk_keys_.size() * layout_.row_bytes());
  return spill_->FinishRead(disk_keys_, disk_rows_.data());
}

Status EmbeddingTable::ReadFromDisk(std::span<const Key> keys, std::vector<std::byte>* rows) {
  std::vector<std::uint32_t> numbers;
  for (const Key key : keys) numbers.push_back(RowPlace(*index_.Find(key, Mix(key))).number());
  rows->resize(keys.size() * layout_.row_bytes());
  return spill_->Read(keys, numbers, rows->data());
}

void EmbeddingTable::BringBack(std::span<const Key> keys, const std::byte* rows) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::uint32_t* value = index_.Find(keys[i], Mix(keys[i]));
    spill_->Release(RowPlace(*value).number());
    const std::uint32_t number = rows_.Take();
    rows_.Write(rows + i * layout_.row_bytes(), number);
    *value = RowPlace::Resident(number).value();
    KeyIndex::Mark(value);
    if (changes_.active()) changes_.Return(keys[i], number);
  }
}

// From the hand on, until there is room. Where a batch would not fit even into an empty table nothing is touched.
Status EmbeddingTable::EvictRows(const Need& need) {
  const std::uint64_t index = KeyIndex::BytesOf(need.most), row_bytes = BytesOf(rows_, need.most);
  if (index + row_bytes > budget_ && (index > index_.bytes() || row_bytes > BytesAfter(rows_, 0))) {
    return Status::Unavailable("no room: the " + std::to_string(need.most) + " rows of one push take " +
                               std::to_string(index + row_bytes) + " bytes, memory_budget leaves " +
                               std::to_string(budget_) +
                               " to the table; raise it, add servers, or make train.batch_size smaller");
  }
  const Need of_rows{.rows = need.rows, .keys = 0, .most = need.most};
  for (; !HasRoom(need) && index_.size() > 0; hand_ = NextSlot(hand_)) {
    RETURN_IF_ERROR(EvictFromSlot(hand_, rows() > 0 && !HasRoom(of_rows)));
  }
  if (HasRoom(need)) return {};
  // Nothing is left, but the memory is not where it is wanted: the table begins anew, with none.
  const Slot first = index_.first_slot(), end = index_.end_slot();
  std::destroy_at(&index_), std::construct_at(&index_, first, end);
  std::destroy_at(&rows_),
      std::construct_at(&rows_, layout_.state_offset(), layout_.row_bytes() - layout_.state_offset());
  return {};
}

// An eighth of the rows or candidates, the least used: were it all of them, the slots that the hand has yet to come to
// would be twice as full as the others, and their part of the index with them. Rows must go if it is they that have no
// room; else candidates are worth less.
Status EmbeddingTable::EvictFromSlot(Slot slot, bool must_be_rows) {
  std::uint64_t rows = 0;
  std::vector<std::pair<std::uint32_t, Key>> candidates;  // with their sightings
  index_.ForEachOfSlot(slot, [&](Key key, const std::uint32_t* value) {
    const RowPlace place(*value);
    rows += place.candidate() ? 0 : 1;
    if (place.candidate()) candidates.emplace_back(place.sightings(), key);
  });
  if (must_be_rows || candidates.empty()) return KeepMostUsed(slot, rows - (rows + 7) / 8);
  std::sort(candidates.begin(), candidates.end());
  candidates.resize((candidates.size() + 7) / 8);
  for (const auto& [sightings, key] : candidates) {
    if (changes_.active()) changes_.UpdateCandidate(key, sightings);
    index_.Erase(key, Mix(key));
  }
  candidates_ -= candidates.size();
  return {};
}

// ---- limits that do not depend on memory ---------------------------------------------------------------------------

EmbeddingTable::RowUse EmbeddingTable::UseOf(Key key, RowPlace place, const std::byte* rest) const {
  const RowLayout::Usage& usage = layout_.usage();
  RowUse use{.key = key, .place = place, .score = 0, .expired = false};
  if (usage.clock != 0) {
    use.score = Word(rest, usage.clock - layout_.state_offset());
    const std::uint64_t age = layout_.storage().max_age_clocks();
    use.expired = age > 0 && clock_ > use.score + age;
  }
  if (usage.second != 0) {
    const std::uint64_t second = Word(rest, usage.second - layout_.state_offset());
    use.expired = use.expired || seconds_ > second + layout_.storage().max_age_seconds();
  }
  if (usage.count != 0) use.score = Word(rest, usage.count - layout_.state_offset());
  return use;
}

Status EmbeddingTable::UsesOfSlot(Slot slot, std::vector<RowUse>* uses) {
  uses->clear();
  disk_keys_.clear();
  index_.ForEachOfSlot(slot, [&](Key key, const std::uint32_t* value) {
    const RowPlace place(*value);
    if (place.resident()) uses->push_back(UseOf(key, place, rows_.Rest(place.number())));
    if (place.on_disk()) disk_keys_.push_back(key);
  });
  if (disk_keys_.empty()) return {};
  RETURN_IF_ERROR(ReadFromDisk(disk_keys_, &disk_rows_));
  for (std::size_t i = 0; i < disk_keys_.size(); ++i) {
    const RowPlace place(*index_.Find(disk_keys_[i], Mix(disk_keys_[i])));
    uses->push_back(UseOf(disk_keys_[i], place, &disk_rows_[i * layout_.row_bytes() + layout_.state_offset()]));
  }
  return {};
}

// Of the rows that UsesOfSlot has just read, which are the last of `uses`: they are written anew. On a full disk they
// keep their counts.
void EmbeddingTable::HalveCountsOnDisk(std::span<RowUse> uses) {
  if (disk_keys_.empty()) return;
  for (std::size_t i = 0; i < disk_keys_.size(); ++i) {
    std::byte* const row = &disk_rows_[i * layout_.row_bytes()];
    if (changes_.active()) changes_.UpdateOnDisk(disk_keys_[i], row);
    std::byte* const count = row + layout_.usage().count;
    const std::uint32_t half = Word(count, 0) / 2;
    std::memcpy(count, &half, sizeof(half));
  }
  std::vector<std::uint32_t> numbers(disk_keys_.size());
  if (!spill_->Append(disk_keys_, disk_rows_.data(), numbers.data()).ok()) return;
  uses = uses.last(disk_keys_.size());
  for (std::size_t i = 0; i < uses.size(); ++i) {
    spill_->Release(uses[i].place.number());
    uses[i].place = RowPlace::OnDisk(numbers[i]);
    *index_.Find(uses[i].key, Mix(uses[i].key)) = uses[i].place.value();
  }
}

Status EmbeddingTable::KeepMostUsed(Slot slot, std::uint64_t keep) {
  std::vector<RowUse> uses;
  RETURN_IF_ERROR(UsesOfSlot(slot, &uses));
  if (const std::uint32_t count = layout_.usage().count; count != 0) {
    for (const RowUse& use : uses) {
      if (!use.place.resident()) continue;
      if (changes_.active()) changes_.Update(use.key, use.place.number());
      std::byte* const field = UsageField(use.place.number(), count);
      const std::uint32_t half = Word(field, 0) / 2;
      std::memcpy(field, &half, sizeof(half));
    }
    HalveCountsOnDisk(uses);
  }
  if (uses.size() <= keep) return {};
  const auto less = [](const RowUse& a, const RowUse& b) {
    return a.score != b.score ? a.score < b.score : a.key < b.key;
  };
  const std::size_t gone = uses.size() - keep;
  std::nth_element(uses.begin(), uses.begin() + static_cast<std::ptrdiff_t>(gone), uses.end(), less);
  for (std::size_t i = 0; i < gone; ++i) Erase(uses[i].key, uses[i].place);
  counters_.evicted_rows += gone;
  return {};
}

// A sixteenth below the limit, so that a full slot is not gone through at every new row. Slots whose rows can not be
// read have their turn again with the next push.
void EmbeddingTable::KeepSlotLimits() {
  std::erase_if(full_slots_, [&](Slot slot) {
    if (slot_rows_[slot - index_.first_slot()] <= slot_limit_) return true;  // some have gone in between
    const Status status = KeepMostUsed(slot, slot_limit_ - slot_limit_ / 16);
    if (!status.ok()) {
      LOG_EVERY_T(WARNING, 60) << "slot " << slot << " has more rows than it should: " << status.text();
    }
    return status.ok();
  });
}

Status EmbeddingTable::Expire(Slot slot) {
  std::vector<RowUse> uses;
  RETURN_IF_ERROR(UsesOfSlot(slot, &uses));
  for (const RowUse& use : uses) {
    if (!use.expired) continue;
    Erase(use.key, use.place);
    ++counters_.evicted_rows;
  }
  return {};
}

// Each slot's rows are looked at once in an eighth of the age, the same slots at the same time on any shard.
Status EmbeddingTable::Advance(std::uint64_t clock, std::uint32_t seconds) {
  clock_ = std::max(clock_, clock);
  seconds_ = std::max(seconds_, seconds);
  const auto sweep = [&](std::uint64_t age, std::uint64_t now, auto* swept) -> Status {
    using Time = std::remove_pointer_t<decltype(swept)>;
    const std::uint64_t period = std::clamp<std::uint64_t>(age / 8, 1, kSlots);
    // After a restart only from now on: what came before was looked at then.
    if (*swept == std::numeric_limits<Time>::max()) *swept = static_cast<Time>(now > 0 ? now - 1 : 0);
    const std::uint64_t ticks = std::min<std::uint64_t>(now - std::min<std::uint64_t>(now, *swept), period);
    for (std::uint64_t tick = now - ticks + 1; tick <= now; ++tick) {
      const Slot behind = static_cast<Slot>((tick + period - index_.first_slot() % period) % period);
      for (Slot slot = index_.first_slot() + behind; slot < index_.end_slot(); slot += static_cast<Slot>(period)) {
        RETURN_IF_ERROR(Expire(slot));
      }
    }
    *swept = static_cast<Time>(std::max<std::uint64_t>(*swept, now));
    return {};
  };
  const proto::RowStorage& storage = layout_.storage();
  if (storage.max_age_clocks() > 0) RETURN_IF_ERROR(sweep(storage.max_age_clocks(), clock_, &swept_clock_));
  if (storage.max_age_seconds() > 0) RETURN_IF_ERROR(sweep(storage.max_age_seconds(), seconds_, &swept_second_));
  return {};
}

void EmbeddingTable::Erase(Key key, RowPlace place) {
  if (changes_.active()) NoteErase(key, place);
  index_.Erase(key, Mix(key));
  if (place.candidate()) {
    --candidates_;
    return;
  }
  if (place.resident()) {
    rows_.Free(place.number());
  } else {
    spill_->Release(place.number());
  }
  if (slot_limit_ > 0) --slot_rows_[SlotOf(key) - index_.first_slot()];
}

}  // namespace sherd
