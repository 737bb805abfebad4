// A shard and its follower, over links that lose and repeat what they carry, in random order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/ps/replica_pair.h"

namespace sherd {
namespace {

class ReplicaTest : public ::testing::TestWithParam<proto::Train::Consistency> {};

// Whenever it is lost: what was acknowledged is at the follower, and what is repeated there is not done twice. The old
// primary goes on for as long as it likes.
TEST_P(ReplicaTest, APromotedFollowerHasTheSameBitsAsAShardThatNothingHappenedTo) {
  TemporaryFolder folder;
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    Pair pair(GetParam(), seed);
    ShardCluster twin({.consistency = GetParam()});
    Job job(&pair, &twin, WorkersOf(GetParam()));
    job.PushClocks(0, 4);
    const bool cut = seed % 2 == 1;
    if (cut) job.OpenCut(1, folder.path());
    if (cut) job.Mark(1);
    job.PushClocks(4, 10);
    for (int left = static_cast<int>(seed * 7); left > 0 && !pair.Done(); --left) pair.Step();
    if (seed % 3 == 0) pair.Kill(kPrimary);
    pair.Change(Map(2, kFollower, ""));
    if (cut) job.OpenCut(2, folder.path());
    pair.Finish();
    ASSERT_TRUE(ContentsOf(pair.shard(kFollower).store()) == twin.contents()) << "seed " << seed;
    const Shard& before = pair.shard(kPrimary);
    EXPECT_EQ(before.map_epoch(), before.given_up() ? 2u : 1u) << "it knows by which map the shard is another's";
  }
}

// Ten pushes are not acknowledged within so few steps.
TEST_P(ReplicaTest, APrimaryThatHasLostItsFollowerGoesOnAloneFromTheNewMapOn) {
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    Pair pair(GetParam(), seed);
    ShardCluster twin({.consistency = GetParam()});
    Job job(&pair, &twin, WorkersOf(GetParam()));
    job.PushClocks(0, 10);
    for (std::uint32_t left = seed * 5; left > 0 && !pair.Done(); --left) pair.Step();
    pair.Kill(kFollower);
    for (int i = 0; i < 500; ++i) pair.Step();
    if (seed < 10) {
      ASSERT_FALSE(pair.Done()) << "acknowledged by one alone, seed " << seed;
    }
    pair.Change(Map(2, kPrimary, ""));
    pair.Finish();
    ASSERT_TRUE(ContentsOf(pair.shard(kPrimary).store()) == twin.contents()) << "seed " << seed;
  }
}

// The follower is lost; another one gets a copy while pushes go on, and then what they changed; then the primary is
// lost.
TEST_P(ReplicaTest, ANewFollowerCatchesUpWhilePushesGoOnAndHasTheSameBitsThen) {
  TemporaryFolder folder;
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    Pair pair(GetParam(), seed, folder.path());
    ShardCluster twin({.consistency = GetParam()});
    Job job(&pair, &twin, WorkersOf(GetParam()));
    job.PushClocks(0, 40);
    for (std::uint32_t left = seed * 20; left > 0; --left) pair.Step();
    pair.Kill(kFollower);
    pair.Change(Map(2, kPrimary, ""));
    pair.Join("new");
    pair.AwaitJoined();
    ASSERT_EQ(*pair.joined(), proto::OK);
    for (std::uint32_t left = seed * 3; left > 0; --left) pair.Step();
    if (seed % 2 == 0) pair.Kill(kPrimary);
    pair.Change(Map(3, "new", ""));
    pair.Finish();
    ASSERT_TRUE(ContentsOf(pair.shard("new").store()) == twin.contents()) << "seed " << seed;
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << "copies are removed";
}

TEST_P(ReplicaTest, AFollowerThatIsLostBeforeItHasCaughtUpIsNotWaitedFor) {
  TemporaryFolder folder;
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    Pair pair(GetParam(), seed, folder.path());
    ShardCluster twin({.consistency = GetParam()});
    Job job(&pair, &twin, WorkersOf(GetParam()));
    job.PushClocks(0, 20);
    for (std::uint32_t left = seed * 10; left > 0; --left) pair.Step();
    pair.Kill(kFollower);
    pair.Change(Map(2, kPrimary, ""));
    pair.Join("new");
    for (std::uint32_t left = seed * 40; left > 0; --left) pair.Step();
    pair.Kill("new");
    pair.Change(Map(3, kPrimary, ""));
    pair.Finish();
    ASSERT_TRUE(ContentsOf(pair.shard(kPrimary).store()) == twin.contents()) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, ReplicaTest, ::testing::Values(proto::Train::ASYNC, proto::Train::BSP),
                         [](const auto& info) { return proto::Train::Consistency_Name(info.param); });

// With workers in any order, one of them fenced, its successor, cuts written and cuts given up.
TEST(ReplicaPairTest, BothHoldTheSameBitsWheneverTheFollowerHasAll) {
  TemporaryFolder folder;
  for (const auto consistency : {proto::Train::ASYNC, proto::Train::BOUNDED, proto::Train::BSP}) {
    for (std::uint32_t seed = 0; seed < 15; ++seed) {
      Pair pair(consistency, seed);
      ShardCluster unused({.consistency = consistency});
      Job job(&pair, &unused, 3);
      job.PushClocks(0, 3);
      job.OpenCut(1, folder.path());
      job.Mark(1);
      job.PushClocks(3, 8);
      for (std::uint32_t left = seed * 10; left > 0 && !pair.Done(); --left) pair.Step();
      proto::Fence fence;
      fence.set_worker(2);
      fence.set_incarnation(2);
      fence.set_cut(1);
      Message message = MakeControl(proto::FENCE, fence);
      message.header.set_shard(0);
      message.header.set_request(77);
      std::vector<Envelope> out = pair.shard(kPrimary).Handle({.from = "s", .message = message});
      for (const Envelope& envelope : out) {
        if (envelope.from == kFollower) pair.shard(kFollower).Handle({.from = kPrimary, .message = envelope.message});
      }
      for (int i = 0; i < 2000; ++i) pair.Step();
      pair.Settle();
      ASSERT_TRUE(ContentsOf(pair.shard(kFollower).store()) == ContentsOf(pair.shard(kPrimary).store()))
          << proto::Train::Consistency_Name(consistency) << " seed " << seed;
    }
  }
}

TEST(ReplicaPairTest, AnOldPrimaryThatLearnsOfItsSuccessorAnswersNobody) {
  Pair pair(proto::Train::ASYNC, 1);
  ShardCluster messages({.consistency = proto::Train::ASYNC});
  proto::StartEpoch start;
  start.add_worker(0);
  Message begin = MakeControl(proto::START_EPOCH, start);
  begin.header.set_shard(0);
  Shard& old = pair.shard(kPrimary);
  Shard& successor = pair.shard(kFollower);
  ASSERT_TRUE(successor.TakeMap(Map(2, kFollower, "")).ok());
  const auto sent = old.Handle({.from = "s", .message = begin});
  ASSERT_EQ(sent.size(), 1u) << "nothing but the operation: the answer waits";
  EXPECT_EQ(sent[0].from, kFollower);
  const auto refused = successor.Handle({.from = kPrimary, .message = sent[0].message});
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].message.header.code(), proto::MAP_CHANGED);
  EXPECT_THAT(old.Handle({.from = kFollower, .message = refused[0].message}), ::testing::IsEmpty());
  Message pull = messages.Pull(0, 0, 0);
  pull.header.set_map_epoch(1);
  const auto answer = old.Handle({.from = "w0", .message = pull});
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].message.header.code(), proto::MAP_CHANGED);
  EXPECT_FALSE(old.TakeMap(Map(3, kPrimary, "")).ok()) << "what it holds is old";
}

TEST(ReplicaPairTest, AFollowerAnswersNobodyButItsPrimary) {
  Pair pair(proto::Train::ASYNC, 1);
  ShardCluster messages({.consistency = proto::Train::ASYNC});
  Message push = messages.Push(0, 0, 0, GradientsOf(messages.model(), 0, 0));
  push.header.set_map_epoch(1);
  const auto answer = pair.shard(kFollower).Handle({.from = "w0", .message = push});
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].message.header.code(), proto::MAP_CHANGED);
  EXPECT_EQ(answer[0].message.header.map_epoch(), 1u);
}

// Garbage under a number that is expected: nothing is done, the number stays expected, and the primary is told.
TEST(ReplicaPairTest, AnOperationThatCanNotBeDoneIsNotCountedAsDone) {
  Pair pair(proto::Train::ASYNC, 1);
  ShardCluster messages({.consistency = proto::Train::ASYNC});
  Message push = messages.Push(0, 0, 0, GradientsOf(messages.model(), 0, 0));
  push.header.set_operation(proto::PUSH);
  push.header.set_kind(proto::OPERATION);
  push.header.set_log(1);
  push.frames.pop_back();
  const auto answer = pair.shard(kFollower).Handle({.from = kPrimary, .message = push});
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].message.header.code(), proto::UNAVAILABLE);
  EXPECT_EQ(answer[0].message.header.log(), 0u);
  EXPECT_THAT(answer[0].message.header.text(), ::testing::HasSubstr("has no part in this epoch"));
}

}  // namespace
}  // namespace sherd
