#include "ps/key_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <unordered_map>
#include <vector>

namespace sherd {
namespace {

constexpr double kMostBytesPerKey = 64.0 / 5 / 0.666;

struct Expected {
  std::uint32_t value = 0;
  bool marked = false;
};

// An index and a map that must say the same.
class Pair {
 public:
  Pair(Slot first, Slot end) : index_(first, end) {}

  void Insert(Key key, std::uint32_t value) {
    ASSERT_EQ(index_.Find(key, Mix(key)), nullptr) << key;
    ASSERT_EQ(*index_.Insert(key, Mix(key), value), value);
    map_[key] = {.value = value};
    keys_.push_back(key);
  }
  void EraseAt(std::size_t i) {
    index_.Erase(keys_[i], Mix(keys_[i]));
    ASSERT_EQ(index_.Find(keys_[i], Mix(keys_[i])), nullptr) << keys_[i];
    map_.erase(keys_[i]);
    keys_[i] = keys_.back();
    keys_.pop_back();
  }
  void MarkAt(std::size_t i) {
    std::uint32_t* value = index_.Find(keys_[i], Mix(keys_[i]));
    ASSERT_NE(value, nullptr) << keys_[i];
    KeyIndex::Mark(value);
    map_[keys_[i]].marked = true;
  }
  // One by one, and in batches among keys that may have none, which mark what they find.
  void ExpectFound() {
    ASSERT_EQ(index_.size(), map_.size());
    std::vector<Key> keys = keys_;
    for (std::uint64_t i = 0; i < 2 * keys_.size(); ++i) {
      const Slot slot = SlotOf(Mix(i, 99));
      if (slot >= index_.first_slot() && slot < index_.end_slot()) keys.push_back(Mix(i, 99));
    }
    std::ranges::sort(keys, {}, [](Key key) { return Mix(key, 7); });
    std::size_t n = 0;
    for (std::size_t first = 0; first < keys.size(); first += n) {
      n = std::min(first % (KeyIndex::kMostAtOnce + 1), keys.size() - first);
      n = n == 0 ? 1 : n;
      const bool mark = first % 2 == 0;
      std::array<std::uint32_t, KeyIndex::kMostAtOnce> values;
      index_.FindAll({&keys[first], n}, mark, values.data());
      for (std::size_t i = 0; i < n; ++i) {
        const auto found = map_.find(keys[first + i]);
        ASSERT_EQ(values[i], found == map_.end() ? KeyIndex::kNone : found->second.value) << keys[first + i];
        if (mark && found != map_.end()) found->second.marked = true;
      }
    }
    for (const auto& [key, expected] : map_) {
      const std::uint32_t* value = index_.Find(key, Mix(key));
      ASSERT_NE(value, nullptr) << key;
      ASSERT_EQ(*value, expected.value) << key;
    }
  }
  // Each slot gives its own keys, each once.
  void ExpectSlots() const {
    std::size_t seen = 0;
    for (Slot slot = index_.first_slot(); slot < index_.end_slot(); ++slot) {
      std::vector<Key> here;
      index_.ForEachOfSlot(slot, [&](Key key, const std::uint32_t* value) {
        EXPECT_EQ(SlotOf(key), slot);
        const auto found = map_.find(key);
        ASSERT_NE(found, map_.end()) << key;
        EXPECT_EQ(*value, found->second.value);
        here.push_back(key);
      });
      std::ranges::sort(here);
      EXPECT_EQ(std::ranges::adjacent_find(here), here.end()) << "slot " << slot;
      seen += here.size();
    }
    ASSERT_EQ(seen, map_.size());
  }
  // Takes the marks of a slot off.
  void TakeMarks(Slot slot) {
    std::size_t seen = 0;
    index_.TakeMarksOfSlot(slot, [&](Key key, const std::uint32_t*, bool marked) {
      ++seen;
      EXPECT_EQ(marked, map_.at(key).marked) << key;
      map_.at(key).marked = false;
    });
    EXPECT_EQ(seen,
              static_cast<std::size_t>(std::ranges::count_if(keys_, [&](Key key) { return SlotOf(key) == slot; })));
  }

  KeyIndex& index() { return index_; }
  const std::vector<Key>& keys() const { return keys_; }

 private:
  KeyIndex index_;
  std::unordered_map<Key, Expected> map_;
  std::vector<Key> keys_;  // of map_, in any order
};

// Keys of [first, end), the edges of the range of keys among them.
Key DrawKey(std::mt19937_64& random, Slot first, Slot end) {
  for (;;) {
    const std::uint64_t draw = random();
    const Key key = draw % 64 == 0 ? 0 : draw % 64 == 1 ? ~Key{0} : draw % 3 == 0 ? draw >> 32 : random();
    if (SlotOf(key) >= first && SlotOf(key) < end) return key;
  }
}

TEST(KeyIndexTest, AgreesWithAMapOverRandomInsertionsDeletionsAndMarks) {
  std::mt19937_64 random(3);
  Pair pair(0, kSlots);
  for (int i = 0; i < 300000; ++i) {
    // Grows for a while, shrinks for a while.
    const bool grows = i / 30000 % 3 != 2;
    const std::uint64_t choice = random() % 10;
    const std::size_t n = pair.keys().size();
    if (n == 0 || choice < (grows ? 6u : 2u)) {
      const Key key = DrawKey(random, 0, kSlots);
      if (pair.index().Find(key, Mix(key)) == nullptr) pair.Insert(key, static_cast<std::uint32_t>(random()));
    } else if (choice < 8) {
      pair.EraseAt(random() % n);
    } else if (choice == 8) {
      pair.MarkAt(random() % n);
    } else if (i % 8 == 0) {
      pair.TakeMarks(static_cast<Slot>(random() % kSlots));
    }
    if (i % 10000 == 0) pair.ExpectFound(), pair.ExpectSlots();
    if (HasFatalFailure()) return;
  }
  pair.ExpectFound();
  for (Slot slot = 0; slot < kSlots; ++slot) pair.TakeMarks(slot);
}

// Growth goes on over many insertions: whatever part of it is done, all keys are found and slots are whole.
TEST(KeyIndexTest, EveryStepOfGrowthIsAWholeIndex) {
  std::mt19937_64 random(4);
  Pair pair(100, 164);
  for (std::uint32_t i = 0; i < 6000; ++i) {
    Key key = DrawKey(random, 100, 164);
    while (pair.index().Find(key, Mix(key)) != nullptr) key = DrawKey(random, 100, 164);
    pair.Insert(key, i);
    if (i % 3 == 0) pair.MarkAt(random() % pair.keys().size());
    if (i % 5 == 4) pair.EraseAt(random() % pair.keys().size());
    if (i < 500 || i % 7 == 0) pair.ExpectFound(), pair.ExpectSlots();
    if (HasFatalFailure()) return;
  }
  for (Slot slot = 100; slot < 164; ++slot) pair.TakeMarks(slot);
}

TEST(KeyIndexTest, NeverTakesMoreThanItsShareAKeyOnceItHasGrown) {
  for (const auto& [first, end] : std::vector<std::pair<Slot, Slot>>{{0, kSlots}, {1365, 2731}, {7, 8}}) {
    KeyIndex index(first, end);
    std::uint64_t random = 0;
    for (std::uint32_t n = 0; n < 150000; ++n) {
      Key key = Mix(++random);
      if (end - first < kSlots) {
        while (SlotOf(key) < first || SlotOf(key) >= end) key = Mix(++random);
      }
      if (end - first == 1 && n == 12000) break;  // 4096 draws a key
      const std::uint64_t promised = index.BytesAfter(1);
      index.Insert(key, Mix(key), n);
      ASSERT_LE(index.bytes(), promised + 64 * 64) << n;
      if (n > 10000) {
        ASSERT_LE(static_cast<double>(index.bytes()) / (n + 1), kMostBytesPerKey) << n << " keys of slot " << first;
      }
    }
  }
}

TEST(KeyIndexTest, TheLastHashesOfARangeFindTheirPlace) {
  std::mt19937_64 random(5);
  Pair pair(kSlots - 1, kSlots);
  for (std::uint32_t i = 0; i < 3000; ++i) {
    Key key = DrawKey(random, kSlots - 1, kSlots);
    if (pair.index().Find(key, Mix(key)) == nullptr) pair.Insert(key, i);
    if (HasFatalFailure()) return;
  }
  pair.ExpectFound();
  pair.ExpectSlots();
}

TEST(KeyIndexTest, ErasedToTheLastKeyItIsEmptyAndFillsAgain) {
  std::mt19937_64 random(6);
  Pair pair(0, FirstSlot(1, 3));
  std::uint64_t bytes = 0;
  for (int round = 0; round < 4; ++round) {
    while (pair.keys().size() < 20000) {
      const Key key = DrawKey(random, 0, FirstSlot(1, 3));
      if (pair.index().Find(key, Mix(key)) == nullptr) pair.Insert(key, static_cast<std::uint32_t>(random()));
    }
    pair.ExpectFound();
    if (round > 0) {
      EXPECT_LE(pair.index().bytes(), bytes + bytes / 5) << "what was erased is not used again";
    }
    bytes = pair.index().bytes();
    while (!pair.keys().empty()) {
      pair.EraseAt(random() % pair.keys().size());
      if (pair.keys().size() % 5000 == 0) pair.ExpectFound(), pair.ExpectSlots();
      if (HasFatalFailure()) return;
    }
    for (Slot slot = 0; slot < FirstSlot(1, 3); ++slot) pair.TakeMarks(slot);
  }
}

}  // namespace
}  // namespace sherd
