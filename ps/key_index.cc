#include "ps/key_index.h"

#include <glog/logging.h>

#include <algorithm>

namespace sherd {

KeyIndex::KeyIndex(Slot first, Slot end) : first_(first), subs_(end - first), bytes_(subs_.size() * sizeof(SubIndex)) {}

std::uint32_t KeyIndex::FindOrInsert(Key key, std::uint64_t hash, std::uint32_t fresh) {
  const Slot number = static_cast<Slot>(hash >> 52) - first_;
  SubIndex& sub = subs_[number];
  if (sub.capacity == 0) Grow(number);
  std::uint32_t i = Probe(key, hash, sub);
  if (sub.entries[i].position != kNone) return sub.entries[i].position;
  // At most four fifths full: then a look-up that fails still ends after some ten entries, which are two cache lines.
  if (std::uint64_t{sub.count + 1} * 5 > std::uint64_t{sub.capacity} * 4) {
    Grow(number);
    i = Probe(key, hash, sub);
  }
  sub.entries[i] = {.key = key, .position = fresh};
  ++sub.count;
  ++size_;
  return fresh;
}

void KeyIndex::Grow(Slot number) {
  SubIndex& sub = subs_[number];
  CHECK_LT(sub.capacity, std::uint32_t{1} << 30);
  // The first size differs from slot to slot, and so do all that follow from it.
  const std::uint32_t capacity = sub.capacity == 0 ? 8 + (first_ + number) % 8 : sub.capacity + sub.capacity / 2;
  SubIndex larger{
      .entries = std::make_unique_for_overwrite<Entry[]>(capacity), .capacity = capacity, .count = sub.count};
  std::fill_n(larger.entries.get(), capacity, Entry{.key = 0, .position = kNone});
  for (std::uint32_t i = 0; i < sub.capacity; ++i) {
    const Entry& entry = sub.entries[i];
    if (entry.position == kNone) continue;
    const Key key = entry.key;
    larger.entries[Probe(key, Mix(key), larger)] = entry;
  }
  bytes_ += (capacity - sub.capacity) * sizeof(Entry);
  sub = std::move(larger);
}

void KeyIndex::KeysOfSlot(Slot slot, std::vector<KeyAt>* keys) const {
  keys->clear();
  const SubIndex& sub = subs_[slot - first_];
  for (std::uint32_t i = 0; i < sub.capacity; ++i) {
    const Entry& entry = sub.entries[i];
    if (entry.position != kNone) keys->push_back({.key = entry.key, .position = entry.position});
  }
  std::sort(keys->begin(), keys->end(), [](const KeyAt& a, const KeyAt& b) { return a.key < b.key; });
}

}  // namespace sherd
