#include "worker/unique_keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "base/partition.h"

namespace sherd {
namespace {

// What the header promises, by sorting: keys by (shard, first occurrence).
struct Expected {
  std::vector<Key> keys;
  std::vector<std::uint32_t> shard_begin, inverse;
};

Expected BruteForce(const std::vector<Key>& occurrences, std::uint32_t shards) {
  Expected expected;
  for (Key key : occurrences) {
    if (std::find(expected.keys.begin(), expected.keys.end(), key) == expected.keys.end()) expected.keys.push_back(key);
  }
  std::stable_sort(expected.keys.begin(), expected.keys.end(),
                   [&](Key a, Key b) { return ShardOf(a, shards) < ShardOf(b, shards); });
  for (std::uint32_t shard = 0; shard <= shards; ++shard) {
    expected.shard_begin.push_back(std::count_if(expected.keys.begin(), expected.keys.end(),
                                                 [&](Key key) { return ShardOf(key, shards) < shard; }));
  }
  for (Key key : occurrences) {
    expected.inverse.push_back(std::find(expected.keys.begin(), expected.keys.end(), key) - expected.keys.begin());
  }
  return expected;
}

void ExpectSame(const UniqueKeys& unique, const Expected& expected) {
  EXPECT_EQ(std::vector<Key>(unique.keys.data(), unique.keys.data() + unique.keys.size()), expected.keys);
  EXPECT_EQ(unique.shard_begin, expected.shard_begin);
  EXPECT_EQ(std::vector<std::uint32_t>(unique.inverse.data(), unique.inverse.data() + unique.inverse.size()),
            expected.inverse);
}

// Minibatches of several sizes and tables go through one maker: what an earlier one left must not be seen by a later
// one.
TEST(UniqueKeysTest, AgreesWithBruteForceOnAnyNumberOfShards) {
  for (std::uint32_t shards = 1; shards <= 7; ++shards) {
    UniqueKeysMaker maker(shards);
    UniqueKeys unique;
    for (std::uint64_t round = 0; round < 30; ++round) {
      const std::size_t count = Below(Mix(shards, round), 700);
      const std::uint64_t distinct = 1 + Below(Mix(shards, round, 1), 900);
      std::vector<Key> occurrences;
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t token = Below(Mix(shards, round, i, 2), distinct);
        occurrences.push_back(round % 2 == 0 ? token : Mix(token, 7));  // small integers are keys as well
      }
      maker.Make(occurrences, &unique);
      ExpectSame(unique, BruteForce(occurrences, shards));
    }
  }
}

TEST(UniqueKeysTest, NoOccurrencesGiveNoKeys) {
  UniqueKeysMaker maker(3);
  UniqueKeys unique;
  maker.Make(std::vector<Key>{5, 5, 6}, &unique);
  maker.Make({}, &unique);
  EXPECT_EQ(unique.keys.size(), 0u);
  EXPECT_EQ(unique.shard_begin, (std::vector<std::uint32_t>{0, 0, 0, 0}));
}

// Keys whose places in the table are all the same one.
TEST(UniqueKeysTest, CollidingKeysStayApart) {
  std::vector<Key> occurrences;
  for (Key key = 0; occurrences.size() < 60; ++key) {
    if ((Mix(key) & 127) == 127) occurrences.push_back(key);
  }
  occurrences.insert(occurrences.end(), occurrences.begin(), occurrences.end());
  UniqueKeysMaker maker(4);
  UniqueKeys unique;
  maker.Make(occurrences, &unique);
  ExpectSame(unique, BruteForce(occurrences, 4));
}

TEST(UniqueKeysTest, KeepsItsMemoryFromMinibatchToMinibatch) {
  std::vector<Key> large, small;
  for (Key key = 0; key < 5000; ++key) large.push_back(Mix(key));
  for (Key key = 0; key < 40; ++key) small.push_back(Mix(key % 10));
  UniqueKeysMaker maker(2);
  UniqueKeys unique;
  maker.Make(large, &unique);
  const Key* keys = unique.keys.data();
  const std::uint32_t* inverse = unique.inverse.data();
  const std::uint32_t* shard_begin = unique.shard_begin.data();
  maker.Make(small, &unique);
  maker.Make(large, &unique);
  EXPECT_EQ(unique.keys.data(), keys);
  EXPECT_EQ(unique.inverse.data(), inverse);
  EXPECT_EQ(unique.shard_begin.data(), shard_begin);
}

}  // namespace
}  // namespace sherd
