#include "ps/memory_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::unique_ptr<ShardStore> StoreWith(proto::RowStorage::AtBudget first, proto::RowStorage::AtBudget others) {
  proto::ModelSpec model = SmallModel();
  for (proto::TableSpec& table : *model.mutable_table()) table.mutable_storage()->set_at_budget(others);
  model.mutable_table(0)->mutable_storage()->set_at_budget(first);
  return ShardStore::Make(model, 5, 0, 1).value();
}

constexpr auto kStop = proto::RowStorage::STOP;
constexpr auto kEvict = proto::RowStorage::EVICT;
constexpr auto kSpill = proto::RowStorage::SPILL;

TEST(MemoryWatch, SaysSoFrom95PercentOnAndIsExceededFrom100) {
  const auto store = StoreWith(kStop, kStop);
  const std::uint64_t bytes = store->bytes();
  ASSERT_GT(bytes, 1000u);
  const auto look = [&](std::uint64_t budget) {
    MemoryWatch watch(store.get(), budget);
    watch.Look();
    return watch;
  };
  EXPECT_THAT(look(0).full(), IsEmpty());
  EXPECT_THAT(look(bytes * 100 / 94).full(), IsEmpty());
  const MemoryWatch near = look(bytes * 100 / 97);
  EXPECT_THAT(near.full(), testing::AllOf(HasSubstr("97 % of its "), HasSubstr("table wide "), HasSubstr(", dense ")));
  EXPECT_FALSE(near.exceeded());
  EXPECT_TRUE(look(bytes).exceeded());
}

// What helps depends on what a table does already.
TEST(MemoryWatch, AdvisesWhatCanHelp) {
  const auto full = [](proto::RowStorage::AtBudget first, proto::RowStorage::AtBudget others) {
    const auto store = StoreWith(first, others);
    MemoryWatch watch(store.get(), store->bytes());
    watch.Look();
    return watch.full();
  };
  EXPECT_THAT(full(kEvict, kStop), HasSubstr("; raise memory_budget, add servers, or set storage.at_budget of table '" +
                                             SmallModel().table(1).name() + "' to EVICT or SPILL"));
  const std::string spills = full(kSpill, kEvict);
  EXPECT_THAT(spills, testing::AllOf(HasSubstr("the keys of table '" + SmallModel().table(0).name()),
                                     HasSubstr("; raise memory_budget, add servers, or give fewer keys a row"),
                                     HasSubstr("admit_after"), HasSubstr("by at_budget EVICT")));
  EXPECT_THAT(spills, testing::Not(HasSubstr("SPILL")));
}

// Who makes room up to the budget is near to it for most of a job.
TEST(MemoryWatch, TablesThatMakeRoomAreNotStopped) {
  const auto all = StoreWith(kEvict, kEvict), some = StoreWith(kStop, kEvict);
  MemoryWatch never(all.get(), all->bytes() / 2), at_last(some.get(), some->bytes() * 100 / 97);
  never.Look();
  at_last.Look();
  EXPECT_THAT(never.full(), IsEmpty());
  EXPECT_FALSE(never.exceeded());
  EXPECT_THAT(at_last.full(), IsEmpty());
}

Gradients OneRow(Key key) { return {.rows = 1, .tables = {{}, {{key, std::vector<float>(5, 1)}}}, .dense = {}}; }

TEST(MemoryWatch, AFullShardTakesPushesAgainForACheckpointAlone) {
  ShardCluster cluster({.memory_budget = 1});
  cluster.StartEpoch(0, 0, {0, 1});
  EXPECT_THAT(cluster.shard(0).full(), HasSubstr("of memory_budget are used"));
  const Message first = cluster.Push(0, 0, 0, OneRow(9)), second = cluster.Push(0, 0, 1, OneRow(8));
  EXPECT_EQ(cluster.Code(0, first), proto::UNAVAILABLE);
  EXPECT_EQ(cluster.Code(0, first), proto::UNAVAILABLE) << "the same number is expected still";
  EXPECT_EQ(cluster.Code(0, second), proto::OUT_OF_ORDER);
  TemporaryFolder folder;
  proto::OpenCut open;
  open.set_cut(1);
  open.set_dir(folder.path());
  EXPECT_EQ(cluster.Control(0, proto::OPEN_CUT, open).header.code(), proto::OK);
  EXPECT_EQ(cluster.Code(0, first), proto::OK);
  EXPECT_EQ(cluster.Code(0, second), proto::OK);
  EXPECT_TRUE(cluster.contents().contains({1, 8}));
  EXPECT_EQ(cluster.Code(0, cluster.Mark(0, 0, 1)), proto::OK);
  EXPECT_EQ(cluster.Code(0, cluster.Mark(0, 1, 1)), proto::OK);
  EXPECT_EQ(cluster.Code(0, cluster.Push(0, 0, 2, OneRow(7))), proto::UNAVAILABLE);
}

TEST(JobSeconds, AClockIsAppliedAtTheGreatestOfItsPushes) {
  for (const auto consistency : {proto::Train::BSP, proto::Train::ASYNC}) {
    ShardCluster cluster({.consistency = consistency});
    cluster.StartEpoch(0, 0, {0, 1});
    Message early = cluster.Push(0, 0, 0, OneRow(9)), late = cluster.Push(0, 1, 0, OneRow(9));
    early.header.set_job_seconds(7);
    late.header.set_job_seconds(9);
    EXPECT_EQ(cluster.Code(0, late), proto::OK);
    EXPECT_EQ(cluster.shard(0).job_seconds(), consistency == proto::Train::BSP ? 0u : 9u);
    EXPECT_EQ(cluster.Code(0, early), proto::OK);
    EXPECT_EQ(cluster.shard(0).job_seconds(), 9u);
  }
}

}  // namespace
}  // namespace sherd
