#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_set>
#include <vector>

#include "base/hash.h"
#include "base/partition.h"
#include "ps/row_memory.h"
#include "ps/row_place.h"

namespace sherd {

// What checkpoints need to know of the changes of a table, which tells of each before it makes it. Two things, apart:
//
// While a cut is written (docs/design.md, 8), what stood at a key when the cut was made, if it changes before the key's
// slot is in the file. A bit a resident row says that nothing of it need be saved any more: it has been, or it was not
// there at the cut. What is not in memory, or has no row, is known by its key instead.
//
// While changes are tracked, the keys of all that has changed since the last cut: what the next delta holds. A bit a
// resident row keeps a key from being noted at every push. When a quarter of the rows has changed a delta gains little,
// and no more is noted.
//
// Memory: two bits a row, eight bytes a changed key, and what is saved. Thread-compatible.
class RowChanges {
 public:
  // Of rows in `rows`, of the slots [first, end).
  RowChanges(const RowMemory* rows, Slot first, Slot end) : rows_(rows), first_(first), end_(end) {}

  // Otherwise nothing need be told.
  bool active() const { return cutting_ || tracking_; }

  // ---- what the table tells ----
  // A resident row is about to change.
  void Update(Key key, std::uint32_t row) {
    if (tracking_ && !TestAndSet(&changed_, row)) Note(key);
    if (cutting_ && !TestAndSet(&saved_, row)) Save(key, row);
  }
  // A key that has no row gets this one.
  void Make(Key key, std::uint32_t row);
  // A key without a row is about to be seen once more, or forgotten; 0: it is not known at all yet.
  void UpdateCandidate(Key key, std::uint32_t sightings);
  void Erase(Key key, std::uint32_t row);
  // A row on disk is about to be erased, or to change there.
  void UpdateOnDisk(Key key, const std::byte* row);
  // Has it to be told what such a row holds?
  bool Wants(Key key) const { return cutting_ && !Written(key) && !saved_away_.contains(key); }
  // A resident row is on disk from now on, as it was; or back from there, as this one.
  void Leave(Key key, std::uint32_t row);
  void Return(Key key, std::uint32_t row);

  // ---- the cut ----
  // The moment of a cut of all the table's rows, or of those that have changed since the last one (can_delta()). From
  // now on changes are tracked, or not.
  void BeginCut(bool delta, bool track);
  bool can_delta() const { return tracking_ && !too_many_; }
  // All slots are written, or none will be any more.
  void EndCut();
  bool cutting() const { return cutting_; }
  bool delta() const { return delta_; }
  // Nothing of this slot, nor of those before it, is asked for again.
  void EndSlot(Slot slot);

  // What was saved of a slot. `row` is [row_bytes]; nullptr: it had no row, and was seen so often.
  struct Saved {
    std::uint64_t hash;
    Key key;
    const std::byte* row;
    std::uint32_t sightings;
  };
  // By ascending hash. Valid until the table changes.
  void SavedOf(Slot slot, std::vector<Saved>* saved) const;
  // Is all of the slot as it was at the cut?
  bool SlotUntouched(Slot slot) const { return !touched_slots_[slot - first_]; }
  // Was this row there at the cut, and is still as it was?
  bool Untouched(std::uint32_t row) const { return !Test(saved_, row); }
  [[gnu::always_inline]] void Prefetch(std::uint32_t row) const { __builtin_prefetch(&saved_[row / 64]); }
  // The same of a key that has no resident row.
  bool UntouchedAway(Key key) const { return !saved_away_.contains(key); }
  // Of a delta: the keys that had changed, by ascending hash, each once.
  std::span<const Key> ChangedOf(Slot slot);

  std::uint64_t saved_bytes() const { return saved_count_ * record_bytes(); }

 private:
  using Bits = std::vector<std::uint64_t>;
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::size_t kChunkRecords = 1 << 12;
  static constexpr std::uint32_t kMostShare = 4;  // of the rows, that are noted
  static constexpr std::uint64_t kAlwaysNoted = 1 << 16;

  // At the head of what is saved; the row follows.
  struct Record {
    Key key;
    std::uint32_t next;       // of its slot, or of the free ones
    std::uint32_t sightings;  // 0: it is a row
  };

  static bool Test(const Bits& bits, std::uint32_t row) { return (bits[row / 64] >> (row % 64) & 1) != 0; }
  static bool TestAndSet(Bits* bits, std::uint32_t row) {
    std::uint64_t& word = (*bits)[row / 64];
    const std::uint64_t bit = std::uint64_t{1} << (row % 64);
    if ((word & bit) != 0) return true;
    word |= bit;
    return false;
  }
  static void Clear(Bits* bits, std::uint32_t row) { (*bits)[row / 64] &= ~(std::uint64_t{1} << (row % 64)); }

  std::size_t record_bytes() const { return (sizeof(Record) + rows_->row_bytes() + 7) / 8 * 8; }
  Record* RecordAt(std::uint32_t number) const {
    std::byte* const chunk = chunks_[number / kChunkRecords].get();
    return reinterpret_cast<Record*>(chunk + number % kChunkRecords * record_bytes());
  }
  static std::byte* RowOf(Record* record) { return reinterpret_cast<std::byte*>(record + 1); }

  bool Written(Key key) const { return SlotOf(key) < next_slot_; }
  void TouchSlotOf(Key key) { touched_slots_[SlotOf(key) - first_] = true; }
  void MakeBits(std::uint32_t row);
  void SortByHash(std::vector<Key>* keys);
  void Note(Key key);
  void StopNoting();
  void Save(Key key, std::uint32_t row);
  void SaveAway(Key key, const std::byte* row, std::uint32_t sightings);
  Record* AddRecord(Key key, std::uint32_t sightings);

  const RowMemory* const rows_;
  const Slot first_, end_;

  bool tracking_ = false, too_many_ = false;
  Bits changed_;
  std::vector<std::vector<Key>> noted_;  // by slot; may hold a key more than once
  std::uint64_t noted_count_ = 0;

  bool cutting_ = false, delta_ = false;
  Slot next_slot_ = 0;  // to be written
  Bits saved_;
  std::unordered_set<Key> saved_away_;
  std::vector<std::vector<Key>> delta_keys_;  // by slot
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::vector<std::uint32_t> heads_;  // by slot, of its saved records
  std::vector<bool> touched_slots_;   // since the cut
  std::uint32_t free_ = kNone;
  std::uint64_t saved_count_ = 0;

  // Memory that is used again from slot to slot.
  struct Hashed {
    std::uint64_t hash;
    Key key;
  };
  std::vector<std::uint32_t> ends_;
  std::vector<Hashed> sorted_;
};

}  // namespace sherd
