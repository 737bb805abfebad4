#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kAsync = proto::Train::ASYNC;
constexpr auto kBsp = proto::Train::BSP;
constexpr auto kBounded = proto::Train::BOUNDED;

Message PushOf(ShardCluster* cluster, std::uint32_t worker, std::uint64_t clock, std::uint64_t chunk,
               std::uint32_t minibatch) {
  Message push = cluster->Push(0, worker, clock, GradientsOf(cluster->model(), worker, clock));
  push.header.set_chunk(chunk);
  push.header.set_minibatch(minibatch);
  return push;
}

// What shard 0 answers: up to where it has chunk 7 from minibatch `first` on.
std::uint32_t Fence(ShardCluster* cluster, std::uint32_t worker, std::uint32_t cut = 0, std::uint32_t first = 0) {
  proto::Fence fence;
  fence.set_worker(worker);
  fence.set_incarnation(2);
  fence.set_cut(cut);
  proto::ChunkRange* range = fence.add_range();
  range->set_chunk(7);
  range->set_first_minibatch(first);
  Message message = MakeControl(proto::FENCE, fence);
  proto::Fenced fenced;
  for (const Envelope& reply : cluster->Send(0, message)) {
    if (reply.message.header.kind() != proto::FENCE) continue;
    EXPECT_TRUE(ParseBody(reply.message, &fenced).ok());
  }
  EXPECT_EQ(fenced.applied_size(), 1);
  return fenced.applied(0);
}

TEST(FenceTest, TellsWhatWasAppliedAndTakesNoMore) {
  ShardCluster cluster({.consistency = kAsync});
  cluster.StartEpoch(0, 0, {0, 1});
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(cluster.Code(0, PushOf(&cluster, 1, i, 7, i)), proto::OK);
  Message late = PushOf(&cluster, 1, 3, 7, 3);
  EXPECT_EQ(Fence(&cluster, 1), 3u);
  const Contents before = cluster.contents();
  EXPECT_EQ(cluster.Code(0, late), proto::STALE);
  EXPECT_EQ(cluster.Code(0, cluster.Pull(0, 1, 3)), proto::STALE);
  EXPECT_TRUE(cluster.contents() == before);
  EXPECT_EQ(Fence(&cluster, 1), 3u) << "asked again, it says the same";
  EXPECT_EQ(cluster.Code(0, PushOf(&cluster, 0, 0, 7, 3)), proto::OK);
  EXPECT_EQ(Fence(&cluster, 0, 0, 1), 4u) << "whoever applied them";
  // Who takes its place begins anew.
  Message first = cluster.Pull(0, 1, 3);
  first.header.set_incarnation(2);
  EXPECT_EQ(cluster.Code(0, first), proto::OK);
  late.header.set_incarnation(2);
  late.header.set_sequence(1);
  cluster.StartEpoch(1, 10, {1});
  late.header.set_clock(10);
  EXPECT_EQ(cluster.Code(0, late), proto::OK);
}

TEST(FenceTest, HoldsNobodyAnyMore) {
  for (const auto consistency : {kBounded, kBsp}) {
    ShardCluster cluster({.consistency = consistency, .max_staleness = 1});
    cluster.StartEpoch(0, 0, {0, 1});
    EXPECT_EQ(cluster.Code(0, PushOf(&cluster, 0, 0, 1, 0)), proto::OK);
    if (consistency == kBounded) {
      EXPECT_EQ(cluster.Code(0, PushOf(&cluster, 0, 1, 1, 1)), proto::OK);
    }
    EXPECT_THAT(cluster.Send(0, cluster.Pull(0, 0, consistency == kBsp ? 1 : 2)), IsEmpty());  // held
    proto::Fence fence;
    fence.set_worker(1);
    fence.set_incarnation(2);
    EXPECT_THAT(cluster.Send(0, MakeControl(proto::FENCE, fence)), SizeIs(2)) << "its answer, and the pull's";
  }
}

// Its push of the clock was taken, so it is told as applied, and it is.
TEST(FenceTest, InBspAPushThatWaitsForItsClockStillCounts) {
  ShardCluster cluster({.consistency = kBsp}), undisturbed({.consistency = kBsp});
  for (ShardCluster* c : {&cluster, &undisturbed}) {
    c->StartEpoch(0, 0, {0, 1});
    EXPECT_EQ(c->Code(0, PushOf(c, 1, 0, 7, 0)), proto::OK);
  }
  EXPECT_EQ(Fence(&cluster, 1), 1u);
  for (ShardCluster* c : {&cluster, &undisturbed}) EXPECT_EQ(c->Code(0, PushOf(c, 0, 0, 1, 0)), proto::OK);
  EXPECT_TRUE(cluster.contents() == undisturbed.contents());
}

TEST(FenceTest, WhatIsHeldForACutIsDroppedAndTheCutIsGivenUp) {
  TemporaryFolder folder;
  ShardCluster cluster({.consistency = kAsync});
  cluster.StartEpoch(0, 0, {0, 1, 2});
  proto::OpenCut open;
  open.set_cut(4);
  open.set_dir(folder.path());
  cluster.Control(0, proto::OPEN_CUT, open);
  EXPECT_EQ(cluster.Code(0, PushOf(&cluster, 1, 0, 7, 0)), proto::OK);
  for (const std::uint32_t worker : {0, 1}) EXPECT_EQ(cluster.Code(0, cluster.Mark(0, worker, 4)), proto::OK);
  EXPECT_THAT(cluster.Send(0, PushOf(&cluster, 1, 1, 7, 1)), IsEmpty());  // held
  const Contents before = cluster.contents();
  EXPECT_EQ(Fence(&cluster, 1, 4), 1u);
  EXPECT_TRUE(cluster.contents() == before);
  EXPECT_EQ(cluster.Code(0, PushOf(&cluster, 0, 0, 7, 1)), proto::OK) << "nobody is held for an abandoned cut";
  EXPECT_EQ(Fence(&cluster, 1, 4), 2u);
  EXPECT_FALSE(cluster.shard(0).writing());
}

TEST(FenceTest, ACutThatIsNotTheLostOnesGoesOn) {
  TemporaryFolder folder;
  ShardCluster cluster({.consistency = kAsync, .writes_at_once = false});
  cluster.StartEpoch(0, 0, {0, 1});
  proto::OpenCut open;
  open.set_cut(4);
  open.set_dir(folder.path());
  cluster.Control(0, proto::OPEN_CUT, open);
  EXPECT_EQ(cluster.Code(0, cluster.Mark(0, 0, 4)), proto::OK);
  EXPECT_FALSE(cluster.shard(0).writing());
  Fence(&cluster, 1);
  EXPECT_TRUE(cluster.shard(0).writing()) << "all who are left have marked";
  EXPECT_THAT(cluster.WriteCut(0), IsEmpty());
}

TEST(FenceTest, AStartOfAnEpochThatComesLateDoesNotBringItBack) {
  ShardCluster cluster({.consistency = kBsp});
  Fence(&cluster, 1);
  cluster.StartEpoch(0, 0, {0, 1});
  EXPECT_EQ(cluster.Code(0, PushOf(&cluster, 0, 0, 1, 0)), proto::OK);
  EXPECT_EQ(cluster.Code(0, cluster.Pull(0, 0, 1)), proto::OK) << "the clock went on without it";
}

TEST(FenceTest, MarksLastFromRoundToRoundUntilTheChunkOrTheEpochIsDone) {
  ShardCluster cluster({.consistency = kAsync});
  cluster.StartEpoch(3, 0, {0});
  EXPECT_EQ(cluster.Code(0, PushOf(&cluster, 0, 0, 7, 0)), proto::OK);
  proto::StartEpoch again;
  again.set_epoch(3);
  again.set_clock(1);
  again.set_round(1);
  again.add_worker(0);
  cluster.Control(0, proto::START_EPOCH, again);
  EXPECT_EQ(Fence(&cluster, 5), 1u);
  proto::ChunksDone done;
  done.set_epoch(2);
  done.add_chunk(7);
  cluster.Control(0, proto::CHUNKS_DONE, done);
  EXPECT_EQ(Fence(&cluster, 5), 1u) << "of another epoch";
  done.set_epoch(3);
  cluster.Control(0, proto::CHUNKS_DONE, done);
  EXPECT_EQ(Fence(&cluster, 5), 0u);
  EXPECT_EQ(cluster.Code(0, PushOf(&cluster, 0, 1, 7, 1)), proto::OK);
  cluster.StartEpoch(4, 2, {0});
  EXPECT_EQ(Fence(&cluster, 5, 0, 1), 1u);
}

TEST(FenceTest, ABeginOfAnEpochThatComesLateChangesNothing) {
  ShardCluster cluster({.consistency = kAsync});
  cluster.StartEpoch(3, 0, {0});
  cluster.StartEpoch(4, 2, {0});
  EXPECT_EQ(cluster.Code(0, PushOf(&cluster, 0, 2, 7, 0)), proto::OK);
  cluster.StartEpoch(3, 0, {0});
  EXPECT_EQ(Fence(&cluster, 5), 1u) << "what was applied in the newer one is still known";
  EXPECT_EQ(cluster.Code(0, PushOf(&cluster, 0, 3, 7, 1)), proto::OK) << "nor is the worker's clock set back";
}

proto::TakenOver TakeOver(ShardCluster* cluster, const proto::TakeOver& take, proto::StatusCode pushed) {
  proto::TakenOver taken;
  for (const Envelope& reply : cluster->Send(0, MakeControl(proto::TAKE_OVER, take))) {
    if (reply.message.header.kind() == proto::PUSH) {
      EXPECT_EQ(reply.message.header.code(), pushed);
    } else if (reply.message.header.kind() == proto::TAKE_OVER) {
      EXPECT_TRUE(ParseBody(reply.message, &taken).ok());
    }
  }
  return taken;
}

// Whoever goes on in the place of the scheduler finds all that it has to know, and nobody held by what is given up.
TEST(TakeOverTest, TellsAllThatWasAppliedAndGivesUpTheCut) {
  ShardCluster cluster({.consistency = kAsync});
  cluster.StartEpoch(3, 5, {0, 1});
  for (const std::uint32_t i : {0, 1, 4}) EXPECT_EQ(cluster.Code(0, PushOf(&cluster, 1, 5 + i, 7, i)), proto::OK);
  TemporaryFolder folder;
  proto::OpenCut open;
  open.set_cut(9);
  open.set_dir(folder.path());
  cluster.Control(0, proto::OPEN_CUT, open);
  EXPECT_EQ(cluster.Code(0, cluster.Mark(0, 0, 9)), proto::OK);
  EXPECT_THAT(cluster.Send(0, PushOf(&cluster, 0, 5, 8, 0)), IsEmpty()) << "held";

  proto::TakeOver take;
  proto::TakeOver::Lost* const lost = take.add_lost();
  lost->set_worker(1);
  lost->set_incarnation(2);
  take.mutable_start()->set_epoch(3);
  take.mutable_start()->set_clock(5);
  take.mutable_start()->add_worker(0);
  take.mutable_start()->add_worker(1);
  (void)TakeOver(&cluster, take, proto::OK);
  const proto::TakenOver taken = TakeOver(&cluster, take, proto::OK);
  EXPECT_EQ(taken.cut(), 9u);
  std::set<std::string> applied;
  for (const proto::ChunkRange& range : taken.applied()) {
    applied.insert(std::to_string(range.chunk()) + ":" + std::to_string(range.first_minibatch()) + "-" +
                   std::to_string(range.end_minibatch()));
  }
  EXPECT_THAT(applied, ElementsAre("7:0-2", "7:4-5", "8:0-1")) << "what was held is done now";
  EXPECT_EQ(cluster.Code(0, PushOf(&cluster, 1, 10, 7, 5)), proto::STALE);
  EXPECT_EQ(cluster.Code(0, PushOf(&cluster, 0, 6, 8, 1)), proto::OK) << "the epoch was not begun again";
}

TEST(TakeOverTest, BeginsAnEpochThatWasOnlyWrittenDown) {
  ShardCluster cluster({.consistency = kBsp});
  proto::TakeOver take;
  take.mutable_start()->set_clock(20);
  take.mutable_start()->add_worker(0);
  EXPECT_THAT(TakeOver(&cluster, take, proto::OK).applied(), IsEmpty());
  EXPECT_EQ(cluster.Code(0, PushOf(&cluster, 0, 20, 0, 0)), proto::OK);
  // Without one nothing is begun.
  take.clear_start();
  EXPECT_THAT(TakeOver(&cluster, take, proto::OK).applied(), SizeIs(1));
  take.add_lost()->set_worker(1 << 20);
  EXPECT_EQ(cluster.Code(0, MakeControl(proto::TAKE_OVER, take)), proto::INVALID);
}

}  // namespace
}  // namespace sherd
