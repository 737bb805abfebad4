#include "scheduler/checkpoint_coordinator.h"

#include <gtest/gtest.h>

namespace sherd {
namespace {

using Phase = CheckpointCoordinator::Phase;
using std::chrono::seconds;

constexpr Deadline kStart{};

CheckpointCoordinator Begun(std::uint32_t cut = 1) {
  CheckpointCoordinator coordinator;
  CutPlan plan;
  plan.cut = cut;
  plan.shards = 2;
  plan.workers = {0, 1};
  plan.clock = 10;
  coordinator.Begin(plan, kStart + seconds(5), kStart + seconds(50));
  return coordinator;
}

CheckpointCoordinator Marking() {
  CheckpointCoordinator coordinator = Begun();
  coordinator.Opened(1, 0);
  coordinator.Opened(1, 1);
  return coordinator;
}

proto::ShardFile File(const std::string& name) {
  proto::ShardFile file;
  file.set_name(name);
  return file;
}

std::vector<proto::ChunkPosition> Part(std::uint64_t id) {
  std::vector<proto::ChunkPosition> part(1);
  part[0].mutable_chunk()->set_id(id);
  return part;
}

TEST(CheckpointCoordinator, WorkersHearOfACutOnlyWhenAllShardsHaveOpenedIt) {
  CheckpointCoordinator coordinator = Begun();
  coordinator.Opened(1, 0);
  coordinator.Opened(1, 0);
  proto::Command command;
  coordinator.Tell(0, &command);
  EXPECT_FALSE(command.has_cut());
  coordinator.Opened(1, 1);
  coordinator.Tell(0, &command);
  EXPECT_EQ(command.cut(), 1u);
  EXPECT_EQ(command.cut_clock(), 10u);
}

TEST(CheckpointCoordinator, FullCourse) {
  CheckpointCoordinator coordinator = Marking();
  coordinator.Marked(1, 0, 10, Part(3));
  coordinator.Marked(1, 0, 99, Part(4));  // repeated
  coordinator.Wrote(1, 0, File("early"));
  EXPECT_EQ(coordinator.phase(), Phase::kMarking);
  proto::Command command;
  coordinator.Tell(0, &command);
  EXPECT_FALSE(command.has_cut());  // has marked
  coordinator.Retired(1);
  EXPECT_EQ(coordinator.phase(), Phase::kWriting);
  EXPECT_EQ(coordinator.marked(), std::set<std::uint32_t>{0});
  EXPECT_EQ(coordinator.clock(), 10u);
  EXPECT_EQ(coordinator.parts().size(), 1u);
  coordinator.Wrote(1, 1, File("b"));
  coordinator.Wrote(1, 1, File("again"));
  EXPECT_EQ(coordinator.phase(), Phase::kWriting);
  coordinator.Wrote(1, 0, File("a"));
  ASSERT_EQ(coordinator.phase(), Phase::kWritten);
  EXPECT_EQ(coordinator.files()[0].name(), "a");
  EXPECT_EQ(coordinator.files()[1].name(), "b");
}

TEST(CheckpointCoordinator, RetiringBeforeTheShardsOpenedCountsToo) {
  CheckpointCoordinator coordinator = Begun();
  coordinator.Retired(0);
  coordinator.Retired(1);
  EXPECT_EQ(coordinator.phase(), Phase::kOpening);
  coordinator.Opened(1, 0);
  coordinator.Opened(1, 1);
  EXPECT_EQ(coordinator.phase(), Phase::kWriting);
}

TEST(CheckpointCoordinator, ALateWorkerIsWorthAnotherTry) {
  CheckpointCoordinator coordinator = Marking();
  coordinator.Late(1, "worker 1");
  EXPECT_EQ(coordinator.phase(), Phase::kAbandoned);
  EXPECT_TRUE(coordinator.worth_retrying());
  EXPECT_NE(coordinator.reason().find("worker 1 was past clock 10"), std::string::npos);
}

TEST(CheckpointCoordinator, DeadlinesNameWhoIsMissing) {
  CheckpointCoordinator coordinator = Marking();
  coordinator.Marked(1, 0, 10, {});
  coordinator.Tick(kStart + seconds(4));
  EXPECT_EQ(coordinator.phase(), Phase::kMarking);
  coordinator.Tick(kStart + seconds(5));
  EXPECT_EQ(coordinator.reason(), "not marked by worker 1");
  EXPECT_TRUE(coordinator.worth_retrying());

  coordinator = Marking();
  coordinator.Retired(0);
  coordinator.Retired(1);
  coordinator.Tick(kStart + seconds(6));  // the marks are in: other deadline
  EXPECT_EQ(coordinator.phase(), Phase::kWriting);
  coordinator.Tick(kStart + seconds(50));
  EXPECT_EQ(coordinator.reason(), "not written by shard 0, 1");
}

TEST(CheckpointCoordinator, AShardThatFailsEndsItWithoutAnotherTry) {
  CheckpointCoordinator coordinator = Marking();
  coordinator.Failed(1, "disk full");
  EXPECT_EQ(coordinator.phase(), Phase::kAbandoned);
  EXPECT_FALSE(coordinator.worth_retrying());
}

TEST(CheckpointCoordinator, NewsOfAnotherCutChangeNothing) {
  CheckpointCoordinator coordinator = Marking();
  coordinator.Marked(7, 0, 10, Part(1));
  coordinator.Late(7, "worker 0");
  coordinator.Failed(7, "disk full");
  EXPECT_EQ(coordinator.phase(), Phase::kMarking);
  EXPECT_TRUE(coordinator.marked().empty());
  coordinator.Close();
  coordinator.Failed(1, "disk full");
  coordinator.Marked(1, 0, 10, {});
  EXPECT_TRUE(coordinator.idle());
}

TEST(CheckpointCoordinator, ALostWorkersCutIsAbandonedUnlessItHadNoPartInIt) {
  CheckpointCoordinator coordinator = Marking();
  coordinator.Marked(1, 0, 10, Part(3));
  EXPECT_TRUE(coordinator.Lose(0)) << "what it pushed before its mark may not be on every shard";
  EXPECT_EQ(coordinator.phase(), Phase::kAbandoned);
  EXPECT_TRUE(coordinator.worth_retrying());
  EXPECT_EQ(coordinator.reason(), "worker 0 was lost");
  EXPECT_FALSE(coordinator.Lose(1)) << "there is none any more";

  CheckpointCoordinator waiting = Marking();
  EXPECT_TRUE(waiting.Lose(1));

  CheckpointCoordinator other = Marking();
  other.Retired(0);
  EXPECT_FALSE(other.Lose(0));
  EXPECT_EQ(other.phase(), Phase::kMarking);
}

}  // namespace
}  // namespace sherd
