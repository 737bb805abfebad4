#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// One row of "deep" with the same gradient everywhere.
Gradients OneRow(std::uint32_t rows, Key key, float gradient) {
  return {.rows = rows, .tables = {{}, {{key, std::vector<float>(5, gradient)}}}, .dense = {}};
}

// A pull of the dense blocks alone, of which shard 0 of 1 has all.
Message DensePull(ShardCluster* cluster, std::uint32_t worker, std::uint64_t clock) {
  Message message = cluster->Pull(0, worker, clock);
  proto::Section* section = message.header.add_section();
  section->set_dense(true);
  section->set_count(static_cast<std::uint32_t>(cluster->shard(0).store().dense().blocks().size()));
  return message;
}

Gradients AllDense(const ShardCluster& cluster, std::uint32_t rows, Key key, float gradient) {
  Gradients gradients = OneRow(rows, key, gradient);
  gradients.dense = GradientsOf(cluster.model(), 0, 0).dense;
  for (float& value : gradients.dense) value *= gradient;
  return gradients;
}

// Rows at once, dense blocks by one step of all workers, the same as that of BSP.
TEST(DenseStalenessTest, ZeroMakesOneStepAClockWhileRowsGoOn) {
  ShardCluster cluster({.consistency = proto::Train::ASYNC, .dense_staleness = 0}),
      bsp({.consistency = proto::Train::BSP});
  for (ShardCluster* each : {&cluster, &bsp}) each->StartEpoch(0, 0, {0, 1});
  const auto dense_of = [](const ShardCluster& of) {
    Contents contents = of.contents();
    std::erase_if(contents, [](const auto& entry) { return entry.first.first >= 0; });
    return contents;
  };
  const Contents first = dense_of(cluster);
  EXPECT_THAT(cluster.Send(0, DensePull(&cluster, 0, 0)), SizeIs(1));
  EXPECT_EQ(cluster.Code(0, cluster.Push(0, 0, 0, AllDense(cluster, 3, 9, 2))), proto::OK);
  EXPECT_TRUE(cluster.contents().contains({1, 9})) << "rows do not wait";
  EXPECT_TRUE(dense_of(cluster) == first) << "dense blocks do";
  EXPECT_THAT(cluster.Send(0, cluster.Pull(0, 0, 1, {9})), SizeIs(1)) << "nor do pulls of rows";
  EXPECT_THAT(cluster.Send(0, DensePull(&cluster, 0, 1)), IsEmpty());
  const auto replies = cluster.Send(0, cluster.Push(0, 1, 0, AllDense(cluster, 1, 9, 5)));
  ASSERT_THAT(replies, SizeIs(2)) << "the push's, and then the pull's that waited for it";
  EXPECT_EQ(replies[1].message.header.kind(), proto::PULL);
  for (const auto& [worker, rows, gradient] : {std::tuple(1u, 1u, 5.0f), std::tuple(0u, 3u, 2.0f)}) {
    EXPECT_EQ(bsp.Code(0, bsp.Push(0, worker, 0, AllDense(bsp, rows, 9, gradient))), proto::OK);
  }
  EXPECT_FALSE(dense_of(cluster) == first);
  EXPECT_TRUE(dense_of(cluster) == dense_of(bsp));
  // Who has retired keeps nobody waiting.
  EXPECT_EQ(cluster.Code(0, cluster.Push(0, 0, 1, AllDense(cluster, 1, 9, 1))), proto::OK);
  const Contents before = dense_of(cluster);
  EXPECT_EQ(cluster.Code(0, cluster.Retire(0, 1)), proto::OK);
  EXPECT_FALSE(dense_of(cluster) == before);
}

TEST(DenseStalenessTest, AnyOtherBoundHoldsDensePullsAlone) {
  ShardCluster cluster({.consistency = proto::Train::ASYNC, .dense_staleness = 2});
  cluster.StartEpoch(0, 0, {0, 1});
  const Contents first = cluster.contents();
  for (std::uint64_t clock = 0; clock < 3; ++clock) cluster.PushAll(0, clock);
  EXPECT_FALSE((cluster.contents()[{-1, 0}] == first.at({-1, 0}))) << "gradients are used as they come";
  EXPECT_THAT(cluster.Send(0, cluster.Pull(0, 0, 3, {9})), SizeIs(1));
  EXPECT_THAT(cluster.Send(0, DensePull(&cluster, 0, 2)), SizeIs(1));
  EXPECT_THAT(cluster.Send(0, DensePull(&cluster, 0, 3)), IsEmpty());
  EXPECT_THAT(cluster.Send(0, cluster.Push(0, 1, 0, OneRow(1, 1, 1))), SizeIs(2));
}

}  // namespace
}  // namespace sherd
