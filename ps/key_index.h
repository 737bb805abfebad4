#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/hash.h"
#include "base/partition.h"

namespace sherd {

// From the keys of one table to the positions of their rows. One small open-addressing table a slot: a slot's keys are
// found together (checkpoints, moving data), and since each of them grows on its own, at a size that differs from slot
// to slot, no growth copies more than a slot's keys nor do all grow at once.
//
// In a slot's table an entry stands at or after the place that its hash gives, with no free entry between (linear
// probing). A key's slot is the top 12 bits of Mix(key), its place the bits below them, scaled to the capacity. Every
// 64-bit key is an ordinary one: a free entry is known by its position. Thread-compatible.
class KeyIndex {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  // For the slots [first, end).
  KeyIndex(Slot first, Slot end);

  // Brings the place of a key into the cache. `hash` is Mix(key), here and below; the key's slot must be one of ours.
  void Prefetch(std::uint64_t hash) const {
    const SubIndex& sub = SubOf(hash);
    if (sub.capacity > 0) __builtin_prefetch(&sub.entries[PlaceOf(hash, sub)]);
  }

  // The row's position, or kNone.
  std::uint32_t Find(Key key, std::uint64_t hash) const {
    const SubIndex& sub = SubOf(hash);
    if (sub.capacity == 0) return kNone;
    return sub.entries[Probe(key, hash, sub)].position;
  }

  // The row's position; a key without one gets `fresh`.
  std::uint32_t FindOrInsert(Key key, std::uint64_t hash, std::uint32_t fresh);

  struct KeyAt {
    Key key;
    std::uint32_t position;
  };
  // The keys of a slot, ascending.
  void KeysOfSlot(Slot slot, std::vector<KeyAt>* keys) const;

  std::uint64_t size() const { return size_; }
  std::uint64_t bytes() const { return bytes_; }
  Slot first_slot() const { return first_; }
  Slot end_slot() const { return first_ + static_cast<Slot>(subs_.size()); }

 private:
  struct [[gnu::packed, gnu::aligned(4)]] Entry {
    Key key;
    std::uint32_t position;
  };
  struct SubIndex {
    std::unique_ptr<Entry[]> entries;
    std::uint32_t capacity = 0;
    std::uint32_t count = 0;
  };

  const SubIndex& SubOf(std::uint64_t hash) const { return subs_[(hash >> 52) - first_]; }
  static std::uint32_t PlaceOf(std::uint64_t hash, const SubIndex& sub) {
    return static_cast<std::uint32_t>(Below(hash << 12, sub.capacity));
  }
  // The key's entry, or the free one where it would go.
  static std::uint32_t Probe(Key key, std::uint64_t hash, const SubIndex& sub) {
    std::uint32_t i = PlaceOf(hash, sub);
    while (sub.entries[i].position != kNone && sub.entries[i].key != key) i = i + 1 == sub.capacity ? 0 : i + 1;
    return i;
  }
  void Grow(Slot sub);

  const Slot first_;
  std::vector<SubIndex> subs_;
  std::uint64_t size_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace sherd
