#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/hash.h"
#include "base/status.h"
#include "ps/key_index.h"
#include "ps/row_changes.h"
#include "ps/row_layout.h"
#include "ps/row_memory.h"
#include "ps/row_place.h"
#include "ps/spill_file.h"

namespace sherd {

// What goes with a push besides its gradients.
struct PushStep {
  float divisor = 1;          // of the sums: the rows of the minibatch
  float rate_scale = 1;       // of the learning rate
  std::uint64_t clock = 0;    // the time that ages and uses are told in
  std::uint32_t seconds = 0;  // of the job, for ages in seconds
  std::uint64_t noise = 0;    // for stochastic rounding: another one for each push
};

// The rows of one table that a shard owns. A pull never changes what it holds: a key without a row is answered by its
// initializer, and the first push makes the row, or counts towards it (storage.admit_after).
//
// What a table holds is a function of the pushes, in their order, and not of the number of shards: admission and the
// limits of age and number work slot by slot. What its memory holds is another matter: within a budget the rows that
// were not used for longest are deleted or wait on disk, as storage.at_budget says. docs/tables.md is the full text.
// Thread-compatible.
class EmbeddingTable {
 public:
  // For keys of the slots [first, end). `stream` is TableStream(seed, name); rows for disk go to a file in `spill_dir`.
  EmbeddingTable(RowLayout layout, std::uint64_t stream, Slot first, Slot end, std::string spill_dir = {});

  const RowLayout& layout() const { return layout_; }

  // The weights of each key's row, [keys, weight_floats]. Keys are distinct. Fails when a row on disk can not be read.
  Status Pull(std::span<const Key> keys, float* values);

  // Makes a push of these keys certain to succeed if it comes next: room for their rows, and those on disk in memory.
  // Unavailable: their rows alone are more than the budget, or there is no room on disk.
  Status Prepare(std::span<const Key> keys);
  // One optimizer step of each key's row by `sums`, [keys, weight_floats]. Keys are distinct. A row whose gradient has
  // a NaN, an infinity or a value whose square is one keeps all its bits and is counted.
  void PushPrepared(std::span<const Key> keys, const float* sums, const PushStep& step);
  // Both. After an error nothing has been changed.
  Status Push(std::span<const Key> keys, const float* sums, const PushStep& step) {
    RETURN_IF_ERROR(Prepare(keys));
    PushPrepared(keys, sums, step);
    return {};
  }

  // Deletes what is too old at a clock. To be called at each clock, before its pushes.
  Status Advance(std::uint64_t clock, std::uint32_t seconds);

  // The bytes that memory() may come to. 0: any.
  void set_budget(std::uint64_t bytes) { budget_ = bytes; }

  // Makes the row of a key, or replaces it; `row` is [row_bytes]. Unavailable as in Push.
  Status Restore(Key key, const std::byte* row);
  Status RestoreCandidate(Key key, std::uint32_t sightings);

  // Many at once, whatever the keys were before, or where `fresh` nothing at all; quickest by ascending Mix(key).
  // Limits of rows a slot hold again after FinishRestore. BadData: a candidate that can not be. table_restore.cc.
  Status RestoreRows(std::span<const Key> keys, const std::byte* rows, bool fresh);
  Status RestoreCandidates(std::span<const Key> keys, std::span<const std::uint32_t> sightings);
  void Delete(std::span<const Key> keys);  // those that there are
  void FinishRestore() { KeepSlotLimits(); }
  // Of an empty table: so many keys will come, and rows of some of them.
  void Reserve(std::uint64_t keys, std::uint64_t rows);

  // The moment of a cut: from now on ReadCut gives what the table holds at it, however it goes on changing; of a delta,
  // what has changed since the last cut. That needs changes to have been tracked since, and not too many of them.
  bool can_delta() const { return changes_.can_delta(); }
  void BeginCut(bool delta, bool track) {
    cut_trouble_ = {};
    changes_.BeginCut(delta, track);
  }
  void EndCut() { changes_.EndCut(); }
  // What was saved for the cut's sake, in bytes.
  std::uint64_t saved_bytes() const { return changes_.saved_bytes(); }

  // What a slot had at the cut: all by ascending Mix(key).
  struct CutRow {
    enum class At : std::uint32_t { kInMemory, kSaved, kReadFromDisk };
    std::uint64_t hash;
    Key key;
    At at;
    std::uint32_t number;  // there
  };
  struct CutSlot {
    std::vector<CutRow> rows;
    std::vector<std::pair<Key, std::uint32_t>> candidates;  // with their sightings
    std::vector<Key> deleted;                               // of a delta: they have neither a row nor sightings
    void Clear() { rows.clear(), candidates.clear(), deleted.clear(); }
  };
  // Valid until the table changes, or is read again.
  Status ReadCut(Slot slot, CutSlot* contents);
  // Whole rows to [rows, row_bytes].
  void CopyRows(std::span<const CutRow> rows, std::byte* to) const;
  // Of a cut: the slot, and those before it, are written. Each is to be, in order.
  void EndSlot(Slot slot) { changes_.EndSlot(slot); }

  // What a slot has now, in the same order, with a copy of the rows.
  struct SlotContents {
    std::vector<std::pair<Key, const std::byte*>> rows;
    std::vector<std::pair<Key, std::uint32_t>> candidates;
  };
  Status ReadSlot(Slot slot, SlotContents* contents);

  struct Counters {
    std::uint64_t refused_rows = 0;
    Key refused_key = 0;  // the last one
    std::uint64_t evicted_rows = 0;
    std::uint64_t dropped_updates = 0;  // of candidates
  };
  const Counters& counters() const { return counters_; }

  std::uint64_t rows() const { return index_.size() - candidates_; }
  std::uint64_t candidates() const { return candidates_; }
  std::uint64_t spilled_rows() const { return spill_ == nullptr ? 0 : spill_->live_records(); }
  std::uint64_t spilled_bytes() const { return spill_ == nullptr ? 0 : spill_->file_bytes(); }

  struct Memory {
    std::uint64_t keys = 0, index = 0, weights = 0, state = 0, slack = 0;
    std::uint64_t total() const { return keys + index + weights + state + slack; }
  };
  Memory memory() const;
  std::uint64_t bytes() const { return index_.bytes() + rows_.bytes() + rows_.free_rows() * sizeof(std::uint32_t); }

 private:
  static constexpr std::size_t kPart = KeyIndex::kMostAtOnce;  // keys that are looked up before their rows are touched
  static constexpr std::size_t kGroup = 32;                    // rows that are updated together
  static constexpr std::uint32_t kNone = RowPlace::kNone;

  struct Need {
    std::uint64_t rows;  // in memory
    std::uint64_t keys;  // in the index
    std::uint64_t most;  // of both, should all that the batch has go to make room
  };
  struct RowUse {
    Key key;
    RowPlace place;
    std::uint64_t score;  // the least goes first
    bool expired;
  };

  // embedding_table.cc
  std::size_t GiveResident(std::size_t count, float* values, std::uint16_t* absent);
  void GiveFirstWeights(Key key, float* values);
  Need FindAway(std::span<const Key> keys);
  Status PullFromDisk(std::span<const Key> keys, float* values);
  void PushAll(std::span<const Key> keys, const float* sums, const PushStep& step);
  void FindRowsOfPart(std::span<const Key> keys, const float* sums);
  bool Admit(Key key, RowPlace place);
  void MakeRows(std::span<const Key> keys, std::span<const std::uint16_t> which);
  void Enter(Key key, std::uint32_t row, std::uint32_t* place);
  void CountRow(Key key);
  void ApplyGroup(std::span<const Key> keys, const float* sums, const PushStep& step,
                  std::span<const std::uint32_t> rows);
  void ApplyRun(std::span<const Key> keys, const float* sums, const PushStep& step,
                std::span<const std::uint32_t> rows);
  void UpdateSegments(std::span<float* const> weights, std::span<float* const> states, const float* sums,
                      const PushStep& step);
  void NoteUse(std::uint32_t row, const PushStep& step) const;
  // Of a resident row; `field` is one of layout_.usage().
  std::byte* UsageField(std::uint32_t row, std::uint32_t field) const {
    return rows_.Rest(row) + (field - layout_.state_offset());
  }

  // table_room.cc
  bool HasRoom(const Need& need) const;
  Status MakeRoom(const Need& need);
  Status SpillRows(std::uint64_t wanted);
  Status SpillSlots(std::uint64_t wanted, std::uint32_t* slots);
  Status CompactSpill();
  Status EvictRows(const Need& need);
  Status EvictFromSlot(Slot slot, bool must_be_rows);
  void StartReadFromDisk();
  Status FinishReadFromDisk();
  Status ReadFromDisk(std::span<const Key> keys, std::vector<std::byte>* rows);
  void BringBack(std::span<const Key> keys, const std::byte* rows);
  Status UsesOfSlot(Slot slot, std::vector<RowUse>* uses);
  // `rest`: the row's bytes from its state on.
  RowUse UseOf(Key key, RowPlace place, const std::byte* rest) const;
  void HalveCountsOnDisk(std::span<RowUse> uses);
  Status KeepMostUsed(Slot slot, std::uint64_t keep);
  Status Expire(Slot slot);
  void KeepSlotLimits();
  Slot NextSlot(Slot slot) const { return slot + 1 == index_.end_slot() ? index_.first_slot() : slot + 1; }
  void Erase(Key key, RowPlace place);

  // table_cut.cc
  void NoteErase(Key key, RowPlace place);
  void CollectAll(Slot slot, bool at_cut, CutSlot* contents);
  void CollectChanged(Slot slot, CutSlot* contents);
  Status CollectRowsOnDisk(CutSlot* contents);
  void GiveSaved(std::size_t number, CutSlot* contents) const;
  template <std::uint32_t kWeights, std::uint32_t kRest>
  void CopyRowsOf(std::span<const CutRow> rows, std::byte* to) const;

  const RowLayout layout_;
  const std::uint64_t stream_;
  const std::string spill_dir_;
  const bool spills_;
  KeyIndex index_;
  RowMemory rows_;
  RowChanges changes_;
  Status cut_trouble_;  // what the cut that is being written can not do without could not be read
  std::uint64_t candidates_ = 0;
  std::unique_ptr<SpillFile> spill_;  // made when it is first needed
  std::uint64_t budget_ = 0;
  Slot hand_;  // where the search for what is little used goes on

  std::uint32_t slot_limit_ = 0;          // rows a slot; 0: none
  std::vector<std::uint32_t> slot_rows_;  // with a limit
  std::vector<Slot> full_slots_;          // over their limit
  std::uint64_t clock_ = 0;
  std::uint32_t seconds_ = 0;
  std::uint64_t swept_clock_ = std::numeric_limits<std::uint64_t>::max();  // until when ages were looked at
  std::uint32_t swept_second_ = std::numeric_limits<std::uint32_t>::max();
  Counters counters_;

  // Memory that is used again from call to call.
  AlignedBuffer<float> scratch_, floats_;
  std::vector<std::byte> encoded_, disk_rows_, read_rows_;
  std::array<std::uint32_t, kPart + 32> places_;  // and some that are only prefetched
  std::vector<std::size_t> on_disk_;              // of a batch's keys
  std::vector<Key> disk_keys_;
  std::vector<RowChanges::Saved> saved_;  // of the slot that is read
  CutSlot slot_;
  std::vector<std::uint32_t> disk_numbers_;  // in the spill file, not asked for yet
};

}  // namespace sherd
