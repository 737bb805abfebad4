#include "base/dense_layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/partition.h"

namespace sherd {
namespace {

proto::ModelSpec Spec(const std::vector<std::pair<std::uint32_t, std::uint32_t>>& shapes) {
  proto::ModelSpec spec;
  for (const auto& [rows, cols] : shapes) {
    proto::TensorSpec* tensor = spec.add_tensor();
    tensor->set_name("layer" + std::to_string(spec.tensor_size()));
    tensor->set_rows(rows);
    tensor->set_cols(cols);
  }
  return spec;
}

const proto::ModelSpec kMixed = Spec({{1, 1}, {39 * 16, 400}, {1, 400}, {32, 32}, {1, 1023}, {1, 1025}, {400, 1}});

TEST(DenseLayout, BlocksCoverEachTensorOnceAndInOrder) {
  const DenseLayout layout(kMixed);
  std::vector<std::uint64_t> covered(static_cast<std::size_t>(kMixed.tensor_size()));
  for (const DenseBlock& block : layout.blocks()) {
    EXPECT_EQ(block.first, covered[block.tensor]);
    EXPECT_EQ(block.offset, layout.tensor_offset(block.tensor) + block.first);
    EXPECT_GE(block.length, 1u);
    EXPECT_LE(block.length, kDenseBlockFloats);
    covered[block.tensor] += block.length;
  }
  for (int t = 0; t < kMixed.tensor_size(); ++t) {
    EXPECT_EQ(covered[static_cast<std::size_t>(t)], std::uint64_t{kMixed.tensor(t).rows()} * kMixed.tensor(t).cols());
  }
}

TEST(DenseLayout, TensorsBeginOnCacheLinesAndNeverOverlap) {
  const DenseLayout layout(kMixed);
  std::uint64_t end = 0;
  for (int t = 0; t < kMixed.tensor_size(); ++t) {
    const std::uint64_t offset = layout.tensor_offset(static_cast<std::uint32_t>(t));
    EXPECT_EQ(offset % 16, 0u);
    EXPECT_GE(offset, end);
    EXPECT_LT(offset - end, 16u) << "padding of a cache line at most";
    end = offset + std::uint64_t{kMixed.tensor(t).rows()} * kMixed.tensor(t).cols();
  }
  EXPECT_GE(layout.size(), end);
  EXPECT_EQ(layout.size() % 16, 0u);
}

TEST(DenseLayout, OnlyTheLastBlockOfATensorIsShorter) {
  const DenseLayout layout(Spec({{1, 1025}, {1, 1024}}));
  ASSERT_EQ(layout.blocks().size(), 3u);
  EXPECT_EQ(layout.blocks()[0].length, 1024u);
  EXPECT_EQ(layout.blocks()[1].length, 1u);
  EXPECT_EQ(layout.blocks()[2].length, 1024u);
  EXPECT_EQ(layout.blocks()[2].tensor, 1u);
}

TEST(DenseLayout, TheShardsTogetherOwnEveryBlockOnce) {
  const DenseLayout layout(kMixed);
  for (std::uint32_t shards = 1; shards <= 33; ++shards) {
    std::vector<std::uint32_t> all;
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
      const auto owned = layout.BlocksOfShard(shard, shards);
      EXPECT_TRUE(std::is_sorted(owned.begin(), owned.end()));
      all.insert(all.end(), owned.begin(), owned.end());
    }
    std::sort(all.begin(), all.end());
    ASSERT_EQ(all.size(), layout.blocks().size()) << shards;
    for (std::uint32_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], i);
  }
}

TEST(DenseLayout, ABlocksPlaceFollowsFromItsTensorsNameAlone) {
  const DenseLayout all(kMixed);
  proto::ModelSpec other;
  *other.add_tensor() = kMixed.tensor(1);
  const DenseLayout one(other);
  std::set<Key> keys;
  for (const DenseBlock& block : all.blocks()) keys.insert(block.key);
  EXPECT_EQ(keys.size(), all.blocks().size());
  for (const DenseBlock& block : one.blocks()) EXPECT_TRUE(keys.contains(block.key));
}

TEST(DenseLayout, AModelWithoutDenseParametersHasNone) {
  const DenseLayout layout{proto::ModelSpec()};
  EXPECT_EQ(layout.size(), 0u);
  EXPECT_TRUE(layout.BlocksOfShard(0, 1).empty());
}

}  // namespace
}  // namespace sherd
