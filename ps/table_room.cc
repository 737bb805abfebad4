// What keeps a table within its limits: rows that go to disk and come back, and rows that are deleted.
#include <glog/logging.h>

#include <algorithm>
#include <cstring>

#include "ps/embedding_table.h"

namespace sherd {
namespace {

constexpr std::uint64_t kMostSpillRows = 1 << 17;  // written at once
constexpr int kSegmentsAtOnce = 2;                 // of the spill file's, made compact at once

// What rows take once so many more are there. Each is counted with its entry in the list of free rows, which grows as
// others go: memory that rows have had is not given back.
std::uint64_t BytesAfter(const RowMemory& rows, std::uint64_t more) {
  return rows.BytesAfter(more) / rows.row_bytes() * (rows.row_bytes() + sizeof(std::uint32_t));
}

std::uint32_t Word(const std::byte* row, std::uint32_t offset) {
  std::uint32_t word;
  std::memcpy(&word, row + offset, sizeof(word));
  return word;
}

}  // namespace

// ---- the budget ----------------------------------------------------------------------------------------------------

// Room for so many new rows. A table that may neither evict nor spill takes what it needs: MemoryWatch stops the job.
Status EmbeddingTable::MakeRoom(std::uint64_t rows) {
  if (budget_ == 0 || layout_.storage().at_budget() == proto::RowStorage::STOP) return {};
  if (spills_) {
    // Half for the hot rows, half for all keys: if they need more MemoryWatch stops the job.
    const std::uint64_t hot = budget_ / 2 / (rows_.row_bytes() + sizeof(std::uint32_t));
    if (rows_.BytesAfter(rows) <= hot * rows_.row_bytes() || rows_.free_rows() >= rows) return {};
    return SpillRows(std::max(rows, rows_.bytes() / rows_.row_bytes() / 32));
  }
  return index_.BytesAfter(rows) + BytesAfter(rows_, rows) <= budget_ ? Status() : EvictRows(rows);
}

Status EmbeddingTable::NoRoom(std::uint64_t bytes) const {
  return Status::Unavailable("no room: " + std::to_string(bytes) + " bytes are needed, memory_budget leaves " +
                             std::to_string(budget_) + "; raise it or add servers");
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
      const std::byte* row = rows_.Row(place.number());
      bytes.insert(bytes.end(), row, row + rows_.row_bytes());
    });
    hand_ = hand_ + 1 == index_.end_slot() ? index_.first_slot() : hand_ + 1;
  }
  if (keys.empty()) return {};
  std::vector<std::uint32_t> numbers(keys.size());
  if (const Status status = spill_->Append(keys, bytes.data(), numbers.data()); !status.ok()) {
    return Status::Unavailable("pushes wait, since cold rows can not be written: " + status.text());
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
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
    std::memcpy(rows_.Row(number), rows + i * layout_.row_bytes(), layout_.row_bytes());
    *value = RowPlace::Resident(number).value();
    KeyIndex::Mark(value);
  }
}

// An eighth of each slot's rows, the least used, from the hand on.
Status EmbeddingTable::EvictRows(std::uint64_t rows) {
  const std::uint32_t slots = index_.end_slot() - index_.first_slot();
  for (std::uint32_t i = 0; i < 8 * slots; ++i) {
    if (index_.BytesAfter(rows) + BytesAfter(rows_, rows) <= budget_) return {};
    DropCandidates(hand_);
    std::uint64_t here = 0;
    index_.ForEachOfSlot(hand_, [&](Key, const std::uint32_t*) { ++here; });
    RETURN_IF_ERROR(KeepMostUsed(hand_, here - (here + 7) / 8));
    hand_ = hand_ + 1 == index_.end_slot() ? index_.first_slot() : hand_ + 1;
  }
  return NoRoom(index_.BytesAfter(rows) + BytesAfter(rows_, rows));
}

// ---- limits that do not depend on memory ---------------------------------------------------------------------------

EmbeddingTable::RowUse EmbeddingTable::UseOf(Key key, RowPlace place, const std::byte* row) const {
  const RowLayout::Usage& usage = layout_.usage();
  RowUse use{.key = key, .place = place, .score = 0, .expired = false};
  if (usage.clock != 0) {
    use.score = Word(row, usage.clock);
    const std::uint64_t age = layout_.storage().max_age_clocks();
    use.expired = age > 0 && clock_ > use.score + age;
  }
  if (usage.second != 0) {
    const std::uint64_t second = Word(row, usage.second);
    use.expired = use.expired || seconds_ > second + layout_.storage().max_age_seconds();
  }
  if (usage.count != 0) use.score = Word(row, usage.count);
  return use;
}

Status EmbeddingTable::UsesOfSlot(Slot slot, std::vector<RowUse>* uses) {
  uses->clear();
  disk_keys_.clear();
  index_.ForEachOfSlot(slot, [&](Key key, const std::uint32_t* value) {
    const RowPlace place(*value);
    if (place.resident()) uses->push_back(UseOf(key, place, rows_.Row(place.number())));
    if (place.on_disk()) disk_keys_.push_back(key);
  });
  if (disk_keys_.empty()) return {};
  RETURN_IF_ERROR(ReadFromDisk(disk_keys_, &disk_rows_));
  for (std::size_t i = 0; i < disk_keys_.size(); ++i) {
    const RowPlace place(*index_.Find(disk_keys_[i], Mix(disk_keys_[i])));
    uses->push_back(UseOf(disk_keys_[i], place, &disk_rows_[i * layout_.row_bytes()]));
  }
  return {};
}

// Of the rows that UsesOfSlot has just read, which are the last of `uses`: they are written anew. On a full disk they
// keep their counts.
void EmbeddingTable::HalveCountsOnDisk(std::span<RowUse> uses) {
  if (disk_keys_.empty()) return;
  for (std::size_t i = 0; i < disk_keys_.size(); ++i) {
    std::byte* count = &disk_rows_[i * layout_.row_bytes() + layout_.usage().count];
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
      const std::uint32_t half = Word(rows_.Row(use.place.number()), count) / 2;
      std::memcpy(rows_.Row(use.place.number()) + count, &half, sizeof(half));
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

// A sixteenth below the limit, so that a full slot is not gone through at every new row.
void EmbeddingTable::KeepSlotLimits() {
  for (const Slot slot : full_slots_) {
    const Status status = KeepMostUsed(slot, slot_limit_ - slot_limit_ / 16);
    if (!status.ok()) LOG(WARNING) << "slot " << slot << " has more rows than it should: " << status.text();
  }
  full_slots_.clear();
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

void EmbeddingTable::DropCandidates(Slot slot) {
  std::vector<Key> keys;
  index_.ForEachOfSlot(slot, [&](Key key, const std::uint32_t* value) {
    if (RowPlace(*value).candidate()) keys.push_back(key);
  });
  for (const Key key : keys) index_.Erase(key, Mix(key));
  candidates_ -= keys.size();
}

void EmbeddingTable::Erase(Key key, RowPlace place) {
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
