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
  ASSERT_THAT(replies, SizeIs(4));  // the mark's, the held push's, the held retirement's, the awaited file
  EXPECT_EQ(replies[1].message.header.request(), 4711u);
  EXPECT_EQ(replies[1].message.header.code(), proto::OK);
  proto::ShardFile file;
  ASSERT_TRUE(ParseBody(replies[3].message, &file).ok()) << replies[3].message.header.text();

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

TEST(CutTest, ServesWhileItIsWrittenAndTheFileIsOfTheMomentOfTheMarks) {
  TemporaryFolder folder;
  ShardCluster cluster({.consistency = kAsync, .writes_at_once = false}), expected({.consistency = kAsync});
  for (ShardCluster* c : {&cluster, &expected}) {
    c->StartEpoch(0, 0, {0});
    for (std::uint64_t clock = 0; clock < 3; ++clock) c->PushAll(0, clock);
  }
  cluster.Control(0, proto::OPEN_CUT, OpenCut(1, folder.path()));
  EXPECT_EQ(cluster.Code(0, cluster.Mark(0, 0, 1)), proto::OK);
  EXPECT_THAT(Await(&cluster, 1), IsEmpty());
  ASSERT_TRUE(cluster.shard(0).writing());
  std::vector<Envelope> replies;
  for (std::uint64_t clock = 3; cluster.shard(0).writing(); ++clock) {
    if (clock < 10) cluster.PushAll(0, clock);
    replies = cluster.shard(0).Work(Clock::now());
  }
  ASSERT_THAT(replies, SizeIs(1));
  EXPECT_EQ(replies[0].message.header.code(), proto::OK);
  EXPECT_EQ(ReadFile(JoinPath(folder.path(), "shard-0.sherd")).value(), FileOf(expected.shard(0).store()));
  for (std::uint64_t clock = 3; clock < 10; ++clock) expected.PushAll(0, clock);
  EXPECT_TRUE(cluster.contents() == expected.contents());
}

TEST(CutTest, ADeltaIsWrittenSinceTheCutThatChangesAreNotedSinceAndElseAllOfIt) {
  TemporaryFolder folder;
  ShardCluster cluster({.consistency = kAsync});
  cluster.StartEpoch(0, 0, {0});
  std::uint64_t clock = 0;
  const auto cut = [&](std::uint32_t number, std::uint32_t since) {
    cluster.PushAll(0, clock++);
    proto::OpenCut open = OpenCut(number, folder.path());
    open.set_since_cut(since);
    open.set_deltas_follow(true);
    cluster.Control(0, proto::OPEN_CUT, open);
    cluster.Code(0, cluster.Mark(0, 0, number));
    proto::ShardFile file;
    CHECK(ParseBody(Await(&cluster, number).at(0).message, &file).ok());
    return file;
  };
  const proto::ShardFile first = cut(1, 0);
  EXPECT_FALSE(first.delta());
  const proto::ShardFile second = cut(2, 1);
  EXPECT_TRUE(second.delta());
  EXPECT_GT(second.rows(), 0u);
  EXPECT_LT(second.rows(), first.rows() + 120);
  EXPECT_FALSE(cut(3, 1).delta()) << "cut 2 came to no checkpoint";
  EXPECT_TRUE(cut(4, 3).delta());
}

TEST(CutTest, ACutThatIsBeingWrittenIsAbandonedByTheNextAndItsFileGoes) {
  TemporaryFolder folder;
  ShardCluster cluster({.consistency = kAsync, .writes_at_once = false});
  cluster.StartEpoch(0, 0, {0});
  cluster.PushAll(0, 0);
  const std::string first = JoinPath(folder.path(), "first"), second = JoinPath(folder.path(), "second");
  cluster.Control(0, proto::OPEN_CUT, OpenCut(1, first));
  cluster.Code(0, cluster.Mark(0, 0, 1));
  EXPECT_THAT(Await(&cluster, 1), IsEmpty());
  cluster.shard(0).Work(Clock::now());
  const auto replies = cluster.Send(0, MakeControl(proto::OPEN_CUT, OpenCut(2, second)));
  ASSERT_THAT(replies, SizeIs(2));
  EXPECT_THAT(replies[1].message.header.text(), HasSubstr("cut 1 was abandoned"));
  EXPECT_FALSE(ReadFile(JoinPath(first, "shard-0.sherd")).ok());
  cluster.Code(0, cluster.Mark(0, 0, 2));
  cluster.WriteCut(0);
  EXPECT_EQ(Await(&cluster, 2)[0].message.header.code(), proto::OK);
  EXPECT_TRUE(ReadFile(JoinPath(second, "shard-0.sherd")).ok());
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
