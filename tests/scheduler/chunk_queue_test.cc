#include "scheduler/chunk_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "scheduler/worker_clocks.h"

namespace sherd {
namespace {

using Dealing = ChunkQueue::Dealing;

std::vector<proto::ChunkPosition> Fresh(std::uint64_t n) {
  std::vector<proto::ChunkPosition> positions(n);
  for (std::uint64_t i = 0; i < n; ++i) {
    positions[i].mutable_chunk()->set_id(i);
    positions[i].mutable_chunk()->set_begin(i * 100);
    positions[i].mutable_chunk()->set_end(i * 100 + 100);
    positions[i].mutable_chunk()->set_in_memory(true);
  }
  return positions;
}

proto::ChunkPosition At(std::uint64_t id, std::uint32_t minibatches, bool done = false) {
  proto::ChunkPosition position;
  position.mutable_chunk()->set_id(id);
  position.set_minibatches(minibatches);
  position.set_done(done);
  return position;
}

ChunkQueue Queue(const std::vector<proto::ChunkPosition>& positions, Dealing dealing, std::uint32_t workers,
                 std::uint32_t batch_size = 10) {
  ChunkQueue::Options options{.dealing = dealing, .workers = {}, .batch_size = batch_size};
  for (std::uint32_t worker = 0; worker < workers; ++worker) options.workers.push_back(worker);
  return *ChunkQueue::Make(positions, options);
}

// "id:minibatches" with a ! when done, in order.
std::string Text(const std::vector<proto::ChunkPosition>& positions) {
  std::string text;
  for (const auto& position : positions) {
    if (!text.empty()) text += " ";
    text += std::to_string(position.chunk().id()) + ":" + std::to_string(position.minibatches());
    if (position.done()) text += "!";
  }
  return text;
}

std::vector<std::uint64_t> All(ChunkQueue* queue, std::uint32_t worker) {
  std::vector<std::uint64_t> ids;
  while (const auto task = queue->Next(worker)) ids.push_back(task->chunk().id());
  return ids;
}

TEST(ChunkQueue, OnDemandDealsEachChunkOnceFromTheHead) {
  ChunkQueue queue = Queue(Fresh(5), Dealing::kOnDemand, 2, 100);
  EXPECT_EQ(queue.Next(1)->chunk().id(), 0u);
  EXPECT_EQ(queue.Next(0)->chunk().id(), 1u);
  EXPECT_EQ(queue.Next(0)->chunk().id(), 2u);
  EXPECT_EQ(queue.Next(1)->chunk().id(), 3u);
  EXPECT_EQ(queue.Next(1)->chunk().id(), 4u);
  EXPECT_FALSE(queue.Next(0));
  EXPECT_FALSE(queue.Next(1));
}

TEST(ChunkQueue, RoundRobinDealsByWorkerWhateverTheOrderOfAsking) {
  ChunkQueue queue = Queue(Fresh(7), Dealing::kRoundRobin, 3);
  EXPECT_THAT(All(&queue, 2), testing::ElementsAre(2, 5));
  EXPECT_THAT(All(&queue, 0), testing::ElementsAre(0, 3, 6));
  EXPECT_THAT(All(&queue, 1), testing::ElementsAre(1, 4));
}

TEST(ChunkQueue, ResumesWhereChunksStoodWithTheSameWorkers) {
  auto positions = Fresh(6);
  positions[0].set_done(true);
  positions[1].set_minibatches(7);
  ChunkQueue queue = Queue(positions, Dealing::kRoundRobin, 2);
  const auto first = queue.Next(1);
  EXPECT_EQ(first->chunk().id(), 1u);
  EXPECT_EQ(first->first_minibatch(), 7u);
  EXPECT_THAT(All(&queue, 0), testing::ElementsAre(2, 4));
  EXPECT_THAT(All(&queue, 1), testing::ElementsAre(3, 5));
}

TEST(ChunkQueue, ReportsOnlyGoForwardAndOnlyFromTheHolder) {
  ChunkQueue queue = Queue(Fresh(2), Dealing::kOnDemand, 2, 100);
  EXPECT_FALSE(queue.Advance(0, At(0, 1)).ok());  // not dealt yet
  queue.Next(0);
  EXPECT_TRUE(queue.Advance(0, At(0, 5)).ok());
  EXPECT_TRUE(queue.Advance(0, At(0, 3)).ok());  // late
  EXPECT_FALSE(queue.Advance(1, At(0, 9)).ok());
  EXPECT_FALSE(queue.Advance(0, At(77, 1)).ok());
  EXPECT_EQ(Text(queue.Positions({}, {})), "0:5 1:0");
  queue.Finish(0);
  EXPECT_EQ(Text(queue.Positions({}, {})), "0:5! 1:0");
  EXPECT_FALSE(queue.all_done());
}

TEST(ChunkQueue, ACutTakesEachWorkersWordForItsChunks) {
  auto positions = Fresh(6);
  positions[1].set_minibatches(3);
  ChunkQueue queue = Queue(positions, Dealing::kOnDemand, 3, 100);
  queue.Next(0);  // 0, 1 to worker 0
  queue.Next(0);
  queue.Next(1);  // 2 to worker 1, who will have retired
  ASSERT_TRUE(queue.Advance(0, At(0, 3, true)).ok());
  ASSERT_TRUE(queue.Advance(1, At(2, 60)).ok());
  proto::CutPosition cut;
  *cut.add_position() = At(1, 9);  // chunk 0, done long since, is left out
  const auto part = queue.PartOfCut(0, cut);
  EXPECT_EQ(Text(part), "0:3! 1:9");
  // After the mark: worker 0 goes on with 1 and is dealt 3; both are as if it had not.
  ASSERT_TRUE(queue.Advance(0, At(1, 10, true)).ok());
  queue.Next(0);
  ASSERT_TRUE(queue.Advance(0, At(3, 2)).ok());
  queue.Finish(1);
  EXPECT_EQ(Text(queue.Positions({0}, part)), "0:3! 1:9 2:60! 3:0 4:0 5:0");
}

TEST(ChunkQueue, RefusesAQueueThatIsNotInOrder) {
  auto positions = Fresh(3);
  positions[2].mutable_chunk()->set_id(7);
  EXPECT_FALSE(ChunkQueue::Make(positions, {}).ok());
  positions = Fresh(1);
  positions[0].mutable_chunk()->set_begin(101);
  EXPECT_FALSE(ChunkQueue::Make(positions, {}).ok());
}

TEST(ChunkQueue, ShareGrowsToOne) {
  ChunkQueue queue = Queue(Fresh(2), Dealing::kOnDemand, 1);
  EXPECT_EQ(queue.share(), 0);
  queue.Next(0);
  ASSERT_TRUE(queue.Advance(0, At(0, 5)).ok());
  EXPECT_NEAR(queue.share(), 0.25, 0.01);
  queue.Finish(0);
  EXPECT_EQ(queue.share(), 0.5);
  queue.Next(0);
  queue.Finish(0);
  EXPECT_EQ(queue.share(), 1);
}

TEST(WorkerClocks, AheadIsBeyondWhatThePaceReaches) {
  WorkerClocks clocks(2);
  EXPECT_TRUE(clocks.all_retired());
  const Deadline start{};
  clocks.StartEpoch(100, start);
  EXPECT_FALSE(clocks.all_retired());
  clocks.Report(1, 150);
  clocks.Report(1, 140);  // late
  EXPECT_EQ(clocks.greatest(), 150u);
  const Deadline now = start + std::chrono::seconds(5);  // 10 clocks a second
  EXPECT_GE(clocks.Ahead(std::chrono::seconds(2), 1, now), 171u);
  EXPECT_EQ(clocks.TimeTo(170, now), std::chrono::seconds(2));
  clocks.Retire(0);
  EXPECT_FALSE(clocks.all_retired());
  clocks.Retire(1);
  EXPECT_TRUE(clocks.all_retired());
}

}  // namespace
}  // namespace sherd
