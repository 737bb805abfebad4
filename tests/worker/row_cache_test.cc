#include "worker/row_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "tests/worker/pipeline_rig.h"

namespace sherd {
namespace {

using ::testing::ElementsAre;
using testing::kBatch;

TEST(RowCacheTest, ARowIsGoodForItsClocks) {
  RowCache cache(2, 64, 3);
  const float row[] = {1, 2};
  EXPECT_EQ(cache.Find(0, 0).values, nullptr) << "a key that looks like an empty place";
  cache.Put(7, 10, 8, row);
  for (const std::uint64_t clock : {10, 13}) {
    const RowCache::Row found = cache.Find(7, clock);
    ASSERT_NE(found.values, nullptr) << clock;
    EXPECT_THAT(std::vector<float>(found.values, found.values + 2), ElementsAre(1, 2));
    EXPECT_EQ(found.as_of, 8u);
  }
  EXPECT_EQ(cache.Find(7, 14).values, nullptr);
  EXPECT_EQ(cache.Find(8, 10).values, nullptr);
  cache.Clear();
  EXPECT_EQ(cache.Find(7, 10).values, nullptr);
}

TEST(RowCacheTest, KeepsNoMoreRowsThanItMay) {
  RowCache cache(1, 100, 1);
  for (Key key = 0; key < 10000; ++key) {
    const float row = static_cast<float>(key);
    cache.Put(key, 5, 5, &row);
  }
  std::size_t kept = 0;
  for (Key key = 0; key < 10000; ++key) {
    const RowCache::Row row = cache.Find(key, 6);
    if (row.values == nullptr) continue;
    EXPECT_EQ(*row.values, static_cast<float>(key));
    ++kept;
  }
  EXPECT_GT(kept, 30u);
  EXPECT_LE(kept, 100u);
}

struct Trained {
  std::uint64_t pulled = 0, staleness = 0, rows = 0;
  std::map<Key, std::vector<float>> tables[2];
  std::vector<float> dense;
};

// Gradients that do not depend on the weights, over a network that loses messages and shards that forget keys.
Trained TrainWith(RowCaches::Options cache) {
  testing::Rig rig({.shards = 2,
                    .max_in_flight = 2,
                    .gradient = testing::TinyModel::Gradient::kCount,
                    .faults = {.lost_requests = 0.05, .lost_replies = 0.05, .forgotten_keys = 0.1},
                    .cache = cache});
  rig.Train(0, 0, 60 * kBatch);
  EXPECT_TRUE(rig.EndEpoch()) << rig.pipeline->status().text();
  Trained trained;
  const proto::Progress progress = rig.pipeline->TakeProgress();
  trained.staleness = progress.staleness();
  trained.rows = progress.rows();
  rig.Stop();
  trained.dense = rig.Dense();
  for (const auto& shard : rig.shards) {
    trained.pulled += shard->pulled_rows;
    for (int table = 0; table < 2; ++table) trained.tables[table].merge(shard->rows[table]);
  }
  return trained;
}

TEST(RowCacheTest, EveryGradientArrivesThoughFewerRowsArePulled) {
  const Trained without = TrainWith({}), with = TrainWith({.clocks = 4, .rows = 1 << 12});
  EXPECT_LT(with.pulled, without.pulled * 6 / 10);
  EXPECT_GE(with.staleness, 4u) << "it is told";
  EXPECT_EQ(with.rows, without.rows);
  for (int table = 0; table < 2; ++table) EXPECT_EQ(with.tables[table], without.tables[table]);
  EXPECT_EQ(with.dense, without.dense);
}

}  // namespace
}  // namespace sherd
