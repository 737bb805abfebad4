#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/file.h"
#include "ps/checkpoint_writer.h"
#include "ps/shard_file_reader.h"
#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kAsync = proto::Train::ASYNC;
constexpr auto kBsp = proto::Train::BSP;

proto::OpenCut OpenCut(std::uint32_t cut, const std::string& dir) {
  proto::OpenCut open;
  open.set_cut(cut);
  open.set_dir(dir);
  return open;
}

// AWAIT_CUT as the scheduler sends it; it may have no reply yet.
std::vector<Envelope> Await(ShardCluster* cluster, std::uint32_t cut, std::uint64_t request = 1000) {
  Message message = MakeControl(proto::AWAIT_CUT, OpenCut(cut, ""));
  message.header.set_request(request);
  return cluster->Send(0, message);
}

std::string FileOf(ShardStore& store) {
  TemporaryFolder folder;
  const auto file = WriteShardFile(&store, folder.path());
  CHECK(file.ok()) << file.status().text();
  return ReadFile(JoinPath(folder.path(), file->name())).value();
}

TEST(CutTest, HoldsAllBeforeTheMarksAndNothingAfter) {
  TemporaryFolder folder;
  ShardCluster cluster({.consistency = kAsync}), expected({.consistency = kAsync});
  for (ShardCluster* c : {&cluster, &expected}) {
    c->StartEpoch(0, 0, {0, 1});
    c->PushAll(0, 0);
    c->PushAll(1, 0);
  }
  EXPECT_EQ(cluster.Control(0, proto::OPEN_CUT, OpenCut(1, folder.path())).header.code(), proto::OK);
  EXPECT_THAT(Await(&cluster, 1), IsEmpty());
  EXPECT_EQ(cluster.Code(0, cluster.Mark(0, 0, 1)), proto::OK);

  // Worker 0 has marked: its push waits. Worker 1 has not: its push belongs to the cut.
  const Gradients after = GradientsOf(cluster.model(), 0, 1);
  Message held = cluster.Push(0, 0, 1, after);
  EXPECT_THAT(cluster.Send(0, held), IsEmpty());
  held.header.set_request(4711);  // repeated, as after a reconnect
  EXPECT_THAT(cluster.Send(0, held), IsEmpty());
  EXPECT_THAT(cluster.Send(0, cluster.Retire(0, 0)), IsEmpty()) << "nothing may overtake a held push";
  cluster.PushAll(1, 1);
  expected.PushAll(1, 1);
  EXPECT_EQ(cluster.Code(0, cluster.Pull(0, 0, 1, {1})), proto::OK) << "pulls are served all the while";

  const auto replies = cluster.Send(0, cluster.Mark(0, 1, 1));
  ASSERT_THAT(replies, SizeIs(4));  // the mark's, the awaited file, the held push's, the held retirement's
  proto::ShardFile file;
  ASSERT_TRUE(ParseBody(replies[1].message, &file).ok()) << replies[1].message.header.text();
  EXPECT_EQ(replies[2].message.header.request(), 4711u);
  EXPECT_EQ(replies[2].message.header.code(), proto::OK);

  const std::string bytes = ReadFile(JoinPath(folder.path(), file.name())).value();
  EXPECT_EQ(bytes, FileOf(expected.shard(0).store()));
  EXPECT_EQ(file.bytes(), bytes.size());
  EXPECT_EQ(file.crc(), Crc32c(std::as_bytes(std::span(bytes))));
  // What was held is in the shard now.
  EXPECT_EQ(expected.Code(0, expected.Push(0, 0, 1, after)), proto::OK);
  EXPECT_TRUE(cluster.contents() == expected.contents());
  EXPECT_EQ(cluster.Code(0, held), proto::OK) << "repeated after it was applied: nothing happens";
  EXPECT_TRUE(cluster.contents() == expected.contents());
}

TEST(CutTest, InBspNoClockIsCutInTwo) {
  TemporaryFolder folder;
  ShardCluster cluster({.consistency = kBsp}), expected({.consistency = kBsp});
  for (ShardCluster* c : {&cluster, &expected}) {
    c->StartEpoch(0, 0, {0, 1});
    c->PushAll(1, 0);
    c->PushAll(0, 0);
  }
  cluster.Control(0, proto::OPEN_CUT, OpenCut(1, folder.path()));
  cluster.Send(0, cluster.Mark(0, 1, 1));
  EXPECT_THAT(cluster.Send(0, cluster.Push(0, 1, 1, GradientsOf(cluster.model(), 1, 1))), IsEmpty());
  EXPECT_THAT(cluster.Send(0, cluster.Mark(0, 0, 1)), SizeIs(2));  // and the held push's
  EXPECT_EQ(ReadFile(JoinPath(folder.path(), "shard-0.sherd")).value(), FileOf(expected.shard(0).store()));
  cluster.PushAll(0, 1);
  expected.PushAll(0, 1);
  expected.PushAll(1, 1);
  EXPECT_TRUE(cluster.contents() == expected.contents());
}

TEST(CutTest, InBspARetirementThatLetsSeveralClocksThroughLetsThemAllIntoTheCut) {
  TemporaryFolder folder;
  ShardCluster cluster({.consistency = kBsp}), expected({.consistency = kBsp});
  for (ShardCluster* c : {&cluster, &expected}) {
    c->StartEpoch(0, 0, {0, 1});
    for (std::uint64_t clock = 0; clock < 3; ++clock) c->PushAll(0, clock);
  }
  cluster.Control(0, proto::OPEN_CUT, OpenCut(1, folder.path()));
  EXPECT_EQ(cluster.Code(0, cluster.Mark(0, 0, 1)), proto::OK);
  for (ShardCluster* c : {&cluster, &expected}) EXPECT_EQ(c->Code(0, c->Retire(0, 1)), proto::OK);
  EXPECT_EQ(ReadFile(JoinPath(folder.path(), "shard-0.sherd")).value(), FileOf(expected.shard(0).store()));
  EXPECT_TRUE(cluster.contents() == expected.contents());
}

TEST(CutTest, AWorkerThatRetiresHasMarked) {
  TemporaryFolder folder;
  ShardCluster cluster({.consistency = kAsync});
  cluster.StartEpoch(0, 0, {0, 1});
  cluster.Control(0, proto::OPEN_CUT, OpenCut(1, folder.path()));
  EXPECT_EQ(cluster.Code(0, cluster.Mark(0, 0, 1)), proto::OK);
  EXPECT_EQ(cluster.Code(0, cluster.Retire(0, 1)), proto::OK);
  EXPECT_EQ(Await(&cluster, 1)[0].message.header.code(), proto::OK);
}

TEST(CutTest, BetweenEpochsACutIsWrittenAtOnceAndOnceOnly) {
  TemporaryFolder folder;
  ShardCluster cluster({.consistency = kAsync});
  EXPECT_EQ(cluster.Control(0, proto::OPEN_CUT, OpenCut(1, folder.path())).header.code(), proto::OK);
  EXPECT_EQ(Await(&cluster, 1)[0].message.header.code(), proto::OK);
  // Repeated after the fact, it must neither write nor open anything.
  ASSERT_TRUE(RemoveTree(JoinPath(folder.path(), "shard-0.sherd")).ok());
  EXPECT_EQ(cluster.Control(0, proto::OPEN_CUT, OpenCut(1, folder.path())).header.code(), proto::OK);
  EXPECT_FALSE(ReadFile(JoinPath(folder.path(), "shard-0.sherd")).ok());
  EXPECT_EQ(Await(&cluster, 1)[0].message.header.code(), proto::OK);
}

TEST(CutTest, ANewCutAbandonsTheOpenOneAndReleasesWhatItHeld) {
  TemporaryFolder folder;
  ShardCluster cluster({.consistency = kAsync});
  cluster.StartEpoch(0, 0, {0, 1});
  cluster.Control(0, proto::OPEN_CUT, OpenCut(1, folder.path()));
  EXPECT_THAT(Await(&cluster, 1, 50), IsEmpty());
  EXPECT_THAT(Await(&cluster, 1, 50), IsEmpty());  // repeated: one answer
  cluster.Send(0, cluster.Mark(0, 0, 1));
  EXPECT_THAT(cluster.Send(0, cluster.Push(0, 0, 0, GradientsOf(cluster.model(), 0, 0))), IsEmpty());

  Message open = MakeControl(proto::OPEN_CUT, OpenCut(2, folder.path()));
  const auto replies = cluster.Send(0, open);
  ASSERT_THAT(replies, SizeIs(3));  // its own, the awaited one's, the held push's
  EXPECT_EQ(replies[1].message.header.code(), proto::FAILED);
  EXPECT_THAT(replies[1].message.header.text(), HasSubstr("cut 1 was abandoned"));
  EXPECT_EQ(replies[2].message.header.code(), proto::OK);
  EXPECT_EQ(cluster.StatusOf(0).pushes(), 1u);
  EXPECT_EQ(cluster.Control(0, proto::OPEN_CUT, OpenCut(1, folder.path())).header.code(), proto::STALE);
  // A late mark of the abandoned cut means nothing.
  EXPECT_EQ(cluster.Code(0, cluster.Mark(0, 1, 1)), proto::OK);
  EXPECT_EQ(cluster.Code(0, cluster.Push(0, 1, 0, GradientsOf(cluster.model(), 1, 0))), proto::OK);
}

TEST(CutTest, AFileThatCanNotBeWrittenFailsTheCutAndNothingElse) {
  ShardCluster cluster({.consistency = kAsync});
  cluster.StartEpoch(0, 0, {0});
  cluster.Control(0, proto::OPEN_CUT, OpenCut(1, "/proc/no/such/folder"));
  EXPECT_EQ(cluster.Code(0, cluster.Mark(0, 0, 1)), proto::OK);
  EXPECT_EQ(Await(&cluster, 1)[0].message.header.code(), proto::FAILED);
  cluster.PushAll(0, 0);
}

}  // namespace
}  // namespace sherd
