#pragma once

#include <emmintrin.h>
#include <smmintrin.h>

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "base/hash.h"
#include "base/partition.h"
#include "ps/growing_memory.h"

namespace sherd {

// From the keys of one table to a 32-bit value each: the place of the key's row. One array of buckets of a cache line,
// five entries in each; in nine look-ups of ten one line is all that is touched.
//
// An entry's home is Mix(key), scaled from the shard's range of hashes to the number of buckets: so homes ascend with
// hashes, and the entries of a slot stand together. An entry stands in its home or, where that is full, in the first
// bucket after it with room; no bucket between an entry and its home is ever less than full, deletions see to that.
// There is no wrapping around: the array goes on a little behind the last home.
//
// Growth is done in place and in small steps. Since homes ascend, a larger number of buckets moves every entry to the
// right: they are moved from the last to the first, whole runs of full buckets at a time, some with every few
// insertions. Until that is done hashes from `frontier_` on go by the new scale, those below by the old one. So the
// array never has to be copied, and is never less than 68 % full once it has grown.
//
// Every 64-bit key is an ordinary one. Thread-compatible.
class KeyIndex {
 public:
  // For the slots [first, end).
  KeyIndex(Slot first, Slot end);

  // The key's value, to be read or changed until the next insertion or deletion; nullptr: there is none.
  std::uint32_t* Find(Key key, std::uint64_t hash) const {
    for (Bucket* bucket = &buckets_[HomeOf(hash)];; ++bucket) {
      const std::uint32_t found = Match(*bucket, key);
      if (found != 0) [[likely]]
        return &bucket->values[std::countr_zero(found)];
      if (bucket->count < kEntries) return nullptr;
    }
  }

  // The values of up to kMostAtOnce keys, kNone where there is none, with the memory of all on the way together. With
  // `mark`, Mark is done to what is found.
  static constexpr std::size_t kMostAtOnce = 1024;
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  void FindAll(std::span<const Key> keys, bool mark, std::uint32_t* values) const {
    mark ? FindEach<true>(keys, values) : FindEach<false>(keys, values);
  }

  // Brings where an insertion of the key begins into the cache. Always inline: see PrefetchLines.
  [[gnu::always_inline]] void Prefetch(std::uint64_t hash) const {
    const Bucket* home = &buckets_[HomeOf(hash)];
    __builtin_prefetch(home, 1);
    __builtin_prefetch(home + 1, 1);
  }
  // Of an empty index: makes room for so many entries, as it would have after their insertion.
  void Reserve(std::uint64_t entries);
  // Adds a key that has no value yet.
  std::uint32_t* Insert(Key key, std::uint64_t hash, std::uint32_t value);
  // Deletes a key that has one.
  void Erase(Key key, std::uint64_t hash);

  // A mark at the entry of a value, kept until it is taken off: for choosing what has not been used for long.
  static void Mark(std::uint32_t* value) {
    const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(value);
    Bucket* bucket = reinterpret_cast<Bucket*>(address & ~(sizeof(Bucket) - 1));
    const auto bit = static_cast<std::uint8_t>(1u << (value - bucket->values));
    if ((bucket->marks & bit) == 0) bucket->marks |= bit;  // else its line would have to be written back
  }

  // Calls function(key, value) for each entry of a slot, by its present place in the array; `value` may be changed.
  template <class Function>
  void ForEachOfSlot(Slot slot, const Function& function) const {
    VisitSlot(slot, [&](Bucket& bucket, std::uint32_t i) { function(bucket.keys[i], &bucket.values[i]); });
  }
  // The same with whether it was marked; the marks of the slot are taken off.
  template <class Function>
  void TakeMarksOfSlot(Slot slot, const Function& function) {
    VisitSlot(slot, [&](Bucket& bucket, std::uint32_t i) {
      const std::uint8_t bit = static_cast<std::uint8_t>(1u << i);
      const bool marked = (bucket.marks & bit) != 0;
      bucket.marks &= static_cast<std::uint8_t>(~bit);
      function(bucket.keys[i], &bucket.values[i], marked);
    });
  }

  std::uint64_t size() const { return size_; }
  std::uint64_t bytes() const { return memory_.size(); }
  // What bytes() may be after `more` insertions, and what it may be of a new index after so many.
  std::uint64_t BytesAfter(std::uint64_t more) const;
  static std::uint64_t BytesOf(std::uint64_t entries);
  Slot first_slot() const { return first_; }
  Slot end_slot() const { return end_; }

 private:
  static constexpr std::uint32_t kEntries = 5;

  struct alignas(64) Bucket {
    Key keys[kEntries];
    std::uint32_t values[kEntries];
    std::uint8_t count;  // the first so many are there
    std::uint8_t marks;  // a bit each
    std::uint16_t unused;
  };
  static_assert(sizeof(Bucket) == 64);

  // A bit for each entry of the key: one, or none.
  static std::uint32_t Match(const Bucket& bucket, Key key) {
    const __m128i wanted = _mm_set1_epi64x(static_cast<long long>(key));
    const auto equal = [&](int pair) {
      const __m128i keys = _mm_load_si128(reinterpret_cast<const __m128i*>(&bucket) + pair);
      return static_cast<std::uint32_t>(_mm_movemask_pd(_mm_castsi128_pd(_mm_cmpeq_epi64(keys, wanted))));
    };
    const std::uint32_t bits = equal(0) | equal(1) << 2 | equal(2) << 4;
    return bits & ((1u << bucket.count) - 1);
  }

  // Hashes are counted from the shard's first one. floor(hash * scale / 2^64) is below the number of buckets.
  std::uint64_t Offset(std::uint64_t hash) const { return hash - base_; }
  std::uint64_t HomeOf(std::uint64_t hash) const {
    const std::uint64_t offset = Offset(hash);
    return Below(offset, offset < frontier_ ? old_scale_ : scale_);
  }
  std::uint64_t ScaleOf(std::uint64_t buckets) const { return buckets * kSlots / (end_ - first_); }

  template <bool kMark>
  void FindEach(std::span<const Key> keys, std::uint32_t* values) const;

  Bucket* Place(std::uint64_t home, Key key, std::uint32_t value, bool marked);
  void StartGrowth();
  void MoveRuns();
  std::uint64_t RunBefore(std::uint64_t bucket) const;
  void SetBuckets(std::uint64_t buckets);

  template <class Function>
  void VisitSlot(Slot slot, const Function& function) const {
    const std::uint64_t first = std::uint64_t{slot} << 52;
    const std::uint64_t last = first + ((std::uint64_t{1} << 52) - 1);
    std::uint64_t b = HomeOf(first);
    const std::uint64_t last_home = HomeOf(last);
    for (;; ++b) {
      Bucket& bucket = buckets_[b];
      for (std::uint32_t i = 0; i < bucket.count; ++i) {
        if (SlotOf(bucket.keys[i]) == slot) function(bucket, i);
      }
      if (b >= last_home && bucket.count < kEntries) return;
    }
  }

  const Slot first_, end_;
  const std::uint64_t base_;  // the first hash of the first slot
  GrowingMemory memory_;
  Bucket* buckets_ = nullptr;     // of memory_
  std::uint64_t homes_ = 0;       // buckets that entries have their homes in
  std::uint64_t scale_ = 0;       // of homes_
  std::uint64_t old_scale_ = 0;   // while growing: of the hashes below the frontier
  std::uint64_t frontier_ = 0;    // 0: not growing
  std::uint64_t unmoved_ = 0;     // while growing: buckets [0, unmoved_) are as they were
  std::uint32_t owed_moves_ = 0;  // while growing: of buckets
  std::uint64_t limit_ = 0;       // entries at which growth begins
  std::uint64_t size_ = 0;
  std::vector<Bucket> run_;  // buckets on their way
};

}  // namespace sherd
