// A shard that was lost, made anew from a checkpoint, and how its workers go on with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/manifest.h"
#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kAsync = proto::Train::ASYNC;
constexpr auto kBsp = proto::Train::BSP;
constexpr auto kBounded = proto::Train::BOUNDED;

// Of chunk 7 + worker, minibatch after minibatch.
Message PushOf(ShardCluster* cluster, std::uint32_t worker, std::uint64_t clock) {
  Message push = cluster->Push(0, worker, clock, GradientsOf(cluster->model(), worker, clock));
  push.header.set_chunk(7 + worker);
  push.header.set_minibatch(static_cast<std::uint32_t>(clock));
  return push;
}

void PushClocks(ShardCluster* cluster, std::uint32_t worker, std::uint64_t begin, std::uint64_t end) {
  for (std::uint64_t clock = begin; clock < end; ++clock) {
    ASSERT_EQ(cluster->Code(0, PushOf(cluster, worker, clock)), proto::OK);
  }
}

proto::ShardFile WriteCut(ShardCluster* cluster, std::uint32_t cut, const std::string& dir) {
  proto::OpenCut open;
  open.set_cut(cut);
  open.set_dir(dir);
  cluster->Control(0, proto::OPEN_CUT, open);
  for (const std::uint32_t worker : {0, 1}) EXPECT_EQ(cluster->Code(0, cluster->Mark(0, worker, cut)), proto::OK);
  proto::ShardFile file;
  EXPECT_TRUE(ParseBody(cluster->Control(0, proto::AWAIT_CUT, open), &file).ok());
  return file;
}

// As the scheduler has it made: the epoch of two workers began at clock 0, and the checkpoint has `applied`.
void Restore(ShardCluster* cluster, const std::string& dir, const std::vector<std::uint32_t>& applied) {
  proto::LoadCheckpoint load;
  load.set_dir(dir);
  ASSERT_EQ(cluster->Control(0, proto::LOAD, load).header.code(), proto::OK);
  proto::TakeOver stand;
  for (std::uint32_t worker = 0; worker < applied.size(); ++worker) {
    stand.mutable_start()->add_worker(worker);
    proto::ChunkRange* const range = stand.add_applied();
    range->set_chunk(7 + worker);
    range->set_end_minibatch(applied[worker]);
  }
  stand.mutable_start()->set_epoch(0);
  stand.mutable_start()->set_clock(0);
  ASSERT_EQ(cluster->Control(0, proto::TAKE_OVER, stand).header.code(), proto::OK);
}

// The lost shard had acknowledged the worker's clocks before this one.
Message RestartOf(ShardCluster* cluster, std::uint32_t worker, std::uint64_t clock, std::uint64_t updates = 0) {
  proto::Restart restart;
  restart.mutable_taken()->set_pushes(clock);
  restart.mutable_taken()->set_updates(updates);
  proto::ChunkRange* const range = restart.add_applied();
  range->set_chunk(7 + worker);
  range->set_end_minibatch(static_cast<std::uint32_t>(clock));
  Message message = cluster->Retire(0, worker);  // with the next number
  message.header.set_kind(proto::RESTART);
  message.header.set_clock(clock);
  message.frames = MakeControl(proto::RESTART, restart).frames;
  return message;
}

std::uint32_t Fence(ShardCluster* cluster, std::uint32_t worker, std::uint32_t first) {
  proto::Fence fence;
  fence.set_worker(worker);
  fence.set_incarnation(2);
  proto::ChunkRange* const range = fence.add_range();
  range->set_chunk(7 + worker);
  range->set_first_minibatch(first);
  proto::Fenced fenced;
  EXPECT_TRUE(ParseBody(cluster->Control(0, proto::FENCE, fence), &fenced).ok());
  return fenced.applied(0);
}

class RestartTest : public ::testing::Test {
 protected:
  // A checkpoint of two clocks of each worker, behind which the shard took three more of worker 0.
  void TrainAndLose() {
    lost_.StartEpoch(0, 0, {0, 1});
    for (const std::uint32_t worker : {0, 1}) PushClocks(&lost_, worker, 0, 2);
    file_ = WriteCut(&lost_, 1, folder_.path());
    proto::Manifest manifest;
    *manifest.mutable_model() = lost_.model();
    *manifest.add_file() = file_;
    ASSERT_TRUE(WriteManifest(folder_.path(), manifest).ok());
    PushClocks(&lost_, 0, 2, 5);
  }

  TemporaryFolder folder_;
  ShardCluster lost_{{.consistency = kAsync}};
  proto::ShardFile file_;
};

TEST_F(RestartTest, WhatWasAcknowledgedIsNotDoneAgainAndTheRestIsDoneOnce) {
  TrainAndLose();
  ShardCluster restored({.consistency = kAsync}), twin({.consistency = kAsync});
  twin.StartEpoch(0, 0, {0, 1});
  for (const std::uint32_t worker : {0, 1}) PushClocks(&twin, worker, 0, 2);
  Restore(&restored, folder_.path(), {2, 2});
  EXPECT_TRUE(restored.contents() == twin.contents());

  const Message restart = RestartOf(&restored, 0, 5);
  EXPECT_EQ(restored.Code(0, restart), proto::OK);
  PushClocks(&restored, 0, 5, 6);
  EXPECT_EQ(restored.Code(0, restart), proto::OK) << "repeated, it changes nothing";
  PushClocks(&twin, 0, 5, 6);
  EXPECT_TRUE(restored.contents() == twin.contents());
  EXPECT_EQ(Fence(&restored, 0, 1), 6u) << "of what was lost here nothing is done again";
  EXPECT_EQ(Fence(&restored, 1, 0), 2u) << "who was lost too has what the checkpoint has";
}

// What it has taken of each worker goes into its next checkpoint, with what it had lost.
TEST_F(RestartTest, ACheckpointSaysWhatWasTakenOfEachWorker) {
  TrainAndLose();
  ASSERT_EQ(file_.taken_size(), 2);
  std::uint64_t keys = 0;
  for (const auto& table : GradientsOf(lost_.model(), 0, 0).tables) keys += table.size();
  for (const auto& table : GradientsOf(lost_.model(), 0, 1).tables) keys += table.size();
  EXPECT_EQ(file_.taken(0).pushes(), 2u);
  EXPECT_EQ(file_.taken(0).updates(), keys);

  ShardCluster restored({.consistency = kAsync});
  Restore(&restored, folder_.path(), {2, 2});
  EXPECT_EQ(restored.Code(0, RestartOf(&restored, 0, 5, 1000)), proto::OK);
  EXPECT_EQ(restored.Code(0, RestartOf(&restored, 1, 2, 100)), proto::OK);
  PushClocks(&restored, 1, 2, 3);
  TemporaryFolder folder;
  const proto::ShardFile file = WriteCut(&restored, 2, folder.path());
  ASSERT_EQ(file.taken_size(), 2);
  EXPECT_EQ(file.taken(0).pushes(), 5u);
  EXPECT_EQ(file.taken(0).updates(), 1000u);
  EXPECT_EQ(file.taken(1).pushes(), 3u);
  EXPECT_GT(file.taken(1).updates(), 100u);
}

// Nobody waits for a clock that has been.
TEST_F(RestartTest, PullsWaitUntilAllWorkersHaveSaidWhereTheyAre) {
  TrainAndLose();
  ShardCluster restored({.consistency = kBounded, .max_staleness = 1});
  Restore(&restored, folder_.path(), {2, 2});
  EXPECT_EQ(restored.Code(0, RestartOf(&restored, 0, 5)), proto::OK);
  EXPECT_THAT(restored.Send(0, restored.Pull(0, 0, 5)), IsEmpty());
  EXPECT_THAT(restored.Send(0, RestartOf(&restored, 1, 4)), SizeIs(2)) << "its answer, and the pull's";
}

TEST_F(RestartTest, WhoHadRetiredHoldsNobody) {
  TrainAndLose();
  ShardCluster restored({.consistency = kBounded, .max_staleness = 1});
  Restore(&restored, folder_.path(), {2, 2});
  EXPECT_EQ(restored.Code(0, RestartOf(&restored, 0, 5)), proto::OK);
  EXPECT_THAT(restored.Send(0, restored.Pull(0, 0, 5)), IsEmpty());
  Message retired = RestartOf(&restored, 1, 2);
  proto::Restart body;
  ASSERT_TRUE(ParseBody(retired, &body).ok());
  body.set_retired(true);
  retired.frames = MakeControl(proto::RESTART, body).frames;
  EXPECT_THAT(restored.Send(0, retired), SizeIs(2));
}

// Of another round, or before the shard has heard of one.
TEST_F(RestartTest, WhereAWorkerIsInAnotherRoundSaysNothingOfThisOne) {
  TrainAndLose();
  ShardCluster restored({.consistency = kAsync});
  Restore(&restored, folder_.path(), {2, 2});
  Message restart = RestartOf(&restored, 0, 90);
  restart.header.set_epoch(4);
  EXPECT_EQ(restored.Code(0, restart), proto::OK);
  PushClocks(&restored, 0, 0, 1);
  EXPECT_EQ(Fence(&restored, 0, 0), 2u);
}

// One push of the clock was there when the shard was lost, and is lost with it: the other makes the clock's step alone,
// and from the next clock on they step together.
TEST_F(RestartTest, InBspAClockOfWhichAPartIsLostIsSteppedByTheRest) {
  TrainAndLose();
  ShardCluster restored({.consistency = kBsp}), twin({.consistency = kBsp});
  Restore(&restored, folder_.path(), {2, 2});
  proto::LoadCheckpoint load;
  load.set_dir(folder_.path());
  ASSERT_EQ(twin.Control(0, proto::LOAD, load).header.code(), proto::OK);
  EXPECT_EQ(restored.Code(0, RestartOf(&restored, 0, 6)), proto::OK);
  EXPECT_EQ(restored.Code(0, RestartOf(&restored, 1, 5)), proto::OK);
  EXPECT_THAT(restored.Send(0, restored.Pull(0, 0, 6)), IsEmpty());
  EXPECT_THAT(restored.Send(0, PushOf(&restored, 1, 5)), SizeIs(2)) << "its answer, and the pull's";
  twin.StartEpoch(0, 5, {1});
  PushClocks(&twin, 1, 5, 6);
  EXPECT_TRUE(restored.contents() == twin.contents());
  twin.StartEpoch(1, 6, {0, 1});
  for (ShardCluster* cluster : {&restored, &twin}) {
    PushClocks(cluster, 1, 6, 7);
    PushClocks(cluster, 0, 6, 7);
  }
  EXPECT_TRUE(restored.contents() == twin.contents());
}

}  // namespace
}  // namespace sherd
