// A shard and its followers, when maps, operations and acknowledgements come later than what was sent after them.
#include <gtest/gtest.h>

#include "tests/ps/replica_pair.h"

namespace sherd {
namespace {

class LateMessagesTest : public ::testing::TestWithParam<proto::Train::Consistency> {};

// A copy of the map by which it was alone comes when it is not any more (found by tests/protocol).
TEST_P(LateMessagesTest, ALateMapDoesNotTakeAPrimaryItsNewFollower) {
  TemporaryFolder folder;
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    Pair pair(GetParam(), seed, folder.path());
    ShardCluster twin({.consistency = GetParam()});
    Job job(&pair, &twin, WorkersOf(GetParam()));
    job.PushClocks(0, 5);
    pair.Kill(kFollower);
    pair.Change(Map(2, kPrimary, ""));
    pair.Join("new");
    pair.AwaitJoined();
    pair.Change(Map(2, kPrimary, ""));
    job.PushClocks(5, 10);
    pair.Finish();
    pair.Kill(kPrimary);
    pair.Change(Map(3, "new", ""));
    job.PushClocks(10, 11);
    pair.Finish();
    ASSERT_TRUE(ContentsOf(pair.shard("new").store()) == twin.contents()) << "seed " << seed;
  }
}

// It had caught up, and then was out, of which it did not hear: it begins anew with a copy, and what is still on its
// way of the first log counts for nothing (found by tests/protocol).
TEST_P(LateMessagesTest, WhoFollowsASecondTimeDoesNotGoOnFromTheFirst) {
  TemporaryFolder folder;
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    Pair pair(GetParam(), seed, folder.path());
    ShardCluster twin({.consistency = GetParam()});
    Job job(&pair, &twin, WorkersOf(GetParam()));
    job.PushClocks(0, 10);
    pair.Kill(kFollower);
    pair.Change(Map(2, kPrimary, ""));
    pair.Join("new");
    pair.AwaitJoined();
    job.PushClocks(10, 15);
    for (std::uint32_t left = seed * 10; left > 0; --left) pair.Step();
    pair.Change(Map(3, kPrimary, ""));
    job.PushClocks(15, 20);
    pair.Finish();
    pair.JoinAgain("new");
    pair.AwaitJoined();
    pair.Kill(kPrimary);
    pair.Change(Map(4, "new", ""));
    job.PushClocks(20, 21);
    pair.Finish();
    ASSERT_TRUE(ContentsOf(pair.shard("new").store()) == twin.contents()) << "seed " << seed;
  }
}

// A checkpoint has ended it, and the answer that says so was lost.
TEST_P(LateMessagesTest, ByOneMapAFollowerIsBegunWithOnce) {
  TemporaryFolder folder;
  Pair pair(GetParam(), 1, folder.path());
  ShardCluster twin({.consistency = GetParam()});
  Job job(&pair, &twin, WorkersOf(GetParam()));
  pair.Kill(kFollower);
  pair.Change(Map(2, kPrimary, ""));
  pair.Join("new");
  proto::LoadCheckpoint nothing;
  nothing.set_dir(folder.path());
  Message load = MakeControl(proto::LOAD, nothing);
  load.header.set_shard(0);
  pair.shard(kPrimary).Handle({.from = "s", .message = load});
  pair.JoinAgain("new");
  ASSERT_TRUE(pair.joined().has_value()) << "it waits for what is over";
  EXPECT_EQ(*pair.joined(), proto::FAILED);
  pair.Change(Map(3, kPrimary, ""));
  pair.JoinAgain("new");
  EXPECT_FALSE(pair.joined().has_value()) << "the next map is another attempt";
}

INSTANTIATE_TEST_SUITE_P(Modes, LateMessagesTest, ::testing::Values(proto::Train::ASYNC, proto::Train::BSP),
                         [](const auto& info) { return proto::Train::Consistency_Name(info.param); });

}  // namespace
}  // namespace sherd
