// Chunks that are dealt in parts, or a second time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/hash.h"
#include "scheduler/chunk_queue.h"

namespace sherd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint32_t kBatch = 10, kMinibatches = 64;  // rows of a minibatch, minibatches of a chunk

std::vector<proto::ChunkPosition> Fresh(std::uint64_t n) {
  std::vector<proto::ChunkPosition> positions(n);
  for (std::uint64_t i = 0; i < n; ++i) {
    proto::Chunk* chunk = positions[i].mutable_chunk();
    chunk->set_id(i);
    chunk->set_file(static_cast<std::uint32_t>(i / 2));
    chunk->set_end(kBatch * kMinibatches);
    chunk->set_in_memory(true);
  }
  return positions;
}

ChunkQueue Queue(const std::vector<proto::ChunkPosition>& positions, std::vector<std::uint32_t> workers,
                 ChunkQueue::Dealing dealing = ChunkQueue::Dealing::kOnDemand) {
  return *ChunkQueue::Make(positions, {.dealing = dealing, .workers = std::move(workers), .batch_size = kBatch});
}

// "chunk[first, end)" of a task.
std::string Text(const std::optional<proto::Task>& task) {
  if (!task) return "nothing";
  return std::to_string(task->chunk().id()) + "[" + std::to_string(task->first_minibatch()) + "," +
         std::to_string(task->end_minibatch()) + ")";
}

// As a worker reports it: so many minibatches of the task are done.
proto::ChunkPosition After(const proto::Task& task, std::uint32_t minibatches, std::uint64_t rows, bool done = false) {
  proto::ChunkPosition position;
  *position.mutable_chunk() = task.chunk();
  position.set_first_minibatch(task.first_minibatch());
  position.set_minibatches(task.first_minibatch() + minibatches);
  position.set_rows(rows);
  position.set_read_rows(rows + minibatches);
  position.set_bad_rows(minibatches);
  position.set_done(done);
  return position;
}

std::uint32_t EndOf(const proto::Task& task) { return task.end_minibatch() == 0 ? kMinibatches : task.end_minibatch(); }

TEST(ChunkRanges, TheTailIsDealtInEverSmallerParts) {
  ChunkQueue queue = Queue(Fresh(5), {0, 1});
  EXPECT_EQ(Text(queue.Next(0)), "0[0,0)");
  EXPECT_EQ(Text(queue.Next(0)), "1[0,0)");  // of 256 left each worker's half share is 64, a chunk
  EXPECT_EQ(Text(queue.Next(1)), "2[0,48)");
  EXPECT_EQ(Text(queue.Next(1)), "2[48,0)");
  EXPECT_EQ(Text(queue.Next(1)), "3[0,32)");
  std::uint32_t last = 32, parts = 0;
  std::vector<bool> dealt(5 * kMinibatches);
  while (const auto task = queue.Next(0)) {
    const std::uint32_t size = EndOf(*task) - task->first_minibatch();
    EXPECT_LE(size, 64u);
    if (task->end_minibatch() != 0) {
      EXPECT_LE(size, last) << Text(task);
      last = size;
    }
    for (std::uint32_t i = task->first_minibatch(); i < EndOf(*task); ++i) {
      EXPECT_FALSE(dealt[task->chunk().id() * kMinibatches + i]) << Text(task);
      dealt[task->chunk().id() * kMinibatches + i] = true;
    }
    ++parts;
  }
  EXPECT_EQ(std::count(dealt.begin(), dealt.end(), true), 2 * kMinibatches - 32);
  EXPECT_GE(last, ChunkQueue::kSmallestPart);
  EXPECT_LT(parts, 40u);
}

// Workers of different speeds, one of which stalls: the time at which the last one ends against even work.
TEST(ChunkRanges, WorkersEndTogetherThoughOneIsSlow) {
  ChunkQueue queue = Queue(Fresh(16), {0, 1});
  double time[2] = {0, 0};
  const double cost[2] = {1, 3};  // of a minibatch
  for (;;) {
    const std::uint32_t worker = time[0] <= time[1] ? 0 : 1;
    const auto task = queue.Next(worker);
    if (!task) break;
    time[worker] += cost[worker] * (EndOf(*task) - task->first_minibatch());
  }
  const double even = 16.0 * kMinibatches / (1 / cost[0] + 1 / cost[1]);
  EXPECT_LT(std::max(time[0], time[1]), 1.03 * even);
}

TEST(ChunkRanges, NeitherAFileOfUnknownLengthNorBspNorALoneWorkerIsDealtInParts) {
  auto positions = Fresh(2);
  for (auto& position : positions) position.mutable_chunk()->set_end(~0ull);
  for (auto& position : positions) position.mutable_chunk()->set_in_memory(false);
  EXPECT_EQ(Text(Queue(positions, {0, 1}).Next(0)), "0[0,0)");
  EXPECT_EQ(Text(Queue(Fresh(2), {0, 1}, ChunkQueue::Dealing::kRoundRobin).Next(1)), "1[0,0)");
  EXPECT_EQ(Text(Queue(Fresh(2), {3}).Next(3)), "0[0,0)");
}

TEST(ChunkRanges, CountsAreOfEachMinibatchOnceAndByFile) {
  ChunkQueue queue = Queue(Fresh(3), {0, 1});
  const proto::Task first = *queue.Next(0), second = *queue.Next(1);
  ASSERT_TRUE(queue.Advance(0, After(first, 3, 30)).ok());
  ASSERT_TRUE(queue.Advance(0, After(first, 2, 20)).ok());  // late
  ASSERT_TRUE(queue.Advance(1, After(second, 5, 50)).ok());
  EXPECT_FALSE(queue.Advance(1, After(first, 9, 90)).ok()) << "it is not its own";
  EXPECT_EQ(queue.counts().trained, 80u);
  EXPECT_EQ(queue.counts().read, 88u);
  EXPECT_EQ(queue.counts().bad, 8u);
  EXPECT_EQ(queue.CountsByFile().at(0).trained, 80u);
  EXPECT_EQ(queue.CountsByFile().at(1).trained, 0u);
}

// Every range of every run, in a random course with cuts, losses and resumptions, ends at its end with its own rows.
TEST(ChunkRanges, ACutAndAResumptionKeepRangesAndCounts) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    auto positions = Fresh(6);
    for (int run = 0; run < 4; ++run) {
      ChunkQueue queue = Queue(positions, {0, 1, 2});
      std::map<std::pair<std::uint32_t, int>, std::pair<proto::Task, std::uint32_t>> tasks;  // and minibatches done
      int number = 0;
      for (int step = 0; step < 60; ++step) {
        const std::uint64_t draw = Mix(seed, run, step);
        const auto worker = static_cast<std::uint32_t>(draw % 3);
        if (const auto task = draw % 5 == 0 ? queue.Next(worker) : std::nullopt) {
          tasks[{worker, number++}] = {*task, 0};
        }
        for (auto& [key, at] : tasks) {
          const std::uint32_t all = EndOf(at.first) - at.first.first_minibatch();
          if (key.first != worker || at.second == all) continue;
          at.second = std::min<std::uint32_t>(all, at.second + draw / 8 % 20);
          ASSERT_TRUE(queue.Advance(worker, After(at.first, at.second, at.second * kBatch, at.second == all)).ok());
          break;
        }
        if (draw % 31 == 0) {  // the shards have some of it, each the same
          std::vector<std::vector<std::uint32_t>> applied;
          for (const auto& range : queue.OpenRanges(worker))
            applied.push_back({range.first_minibatch(), range.first_minibatch()});
          queue.Release(worker, applied);
          std::erase_if(tasks, [&](const auto& entry) { return entry.first.first == worker; });
        }
      }
      positions = queue.Positions({}, {});
      std::uint64_t rows = 0;
      for (const auto& position : positions) {
        rows += position.rows();
        EXPECT_EQ(position.rows(), (position.minibatches() - position.first_minibatch()) * kBatch);
      }
      EXPECT_EQ(rows, queue.counts().trained);
    }
  }
}

TEST(ChunkRanges, RefusesRangesThatLeaveAGap) {
  auto positions = Fresh(2);
  positions[0].set_end_minibatch(5);
  EXPECT_FALSE(ChunkQueue::Make(positions, {}).ok()) << "where is the rest of chunk 0?";
  positions[1].mutable_chunk()->set_id(0);
  positions[1].set_first_minibatch(6);
  EXPECT_FALSE(ChunkQueue::Make(positions, {}).ok());
  positions[1].set_first_minibatch(5);
  EXPECT_TRUE(ChunkQueue::Make(positions, {}).ok());
}

TEST(ChunkRanges, ALostWorkersRangesAreDealtAgainWithWhatShardsHave) {
  ChunkQueue queue = Queue(Fresh(8), {0, 1, 2}, ChunkQueue::Dealing::kRoundRobin);
  const proto::Task lost = *queue.Next(1);
  EXPECT_EQ(Text(lost), "1[0,0)");
  ASSERT_TRUE(queue.Advance(1, After(lost, 3, 30)).ok());
  const auto open = queue.OpenRanges(1);
  ASSERT_EQ(open.size(), 1u);
  EXPECT_EQ(open[0].chunk(), 1u);
  EXPECT_EQ(open[0].first_minibatch(), 3u);
  queue.Release(1, {{5, 3, 4}});
  EXPECT_FALSE(queue.settled());
  // From now on anyone is dealt what is left, first what a checkpoint would wait for.
  const proto::Task again = *queue.Next(2);
  EXPECT_EQ(Text(again), "1[3,0)");
  EXPECT_THAT(std::vector<std::uint32_t>(again.applied().begin(), again.applied().end()), ElementsAre(5, 3, 4));
  EXPECT_EQ(Text(queue.Next(2)), "0[0,0)");
  EXPECT_FALSE(queue.Advance(1, After(lost, 4, 40)).ok()) << "of the lost one nothing counts any more";
  ASSERT_TRUE(queue.Advance(2, After(again, 1, 10)).ok());
  EXPECT_FALSE(queue.settled());
  ASSERT_TRUE(queue.Advance(2, After(again, 2, 20)).ok());
  EXPECT_TRUE(queue.settled()) << "all shards have five";
  EXPECT_EQ(queue.counts().trained, 50u);
  // A cut before worker 2 has marked its part of it: the range stands where the lost one left it.
  EXPECT_EQ(queue.Positions({2}, {})[1].minibatches(), 3u);
  EXPECT_EQ(queue.Positions({2}, {})[1].rows(), 30u);
}

TEST(ChunkRanges, WhatAllShardsHaveAlikeNeedsNoMarks) {
  ChunkQueue queue = Queue(Fresh(2), {0, 1});
  queue.Next(0);
  queue.Release(0, {{0, 0}});
  EXPECT_TRUE(queue.settled());
  EXPECT_THAT(queue.Next(1)->applied(), IsEmpty());
}

TEST(ChunkRanges, AWorkerIsDealtTheChunksOfItsHostFirst) {
  ChunkQueue queue = Queue(Fresh(20), {0, 1});
  queue.Prefer(1, {4, 9});  // chunks 8, 9, 18, 19
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < 6; ++i) ids.push_back(queue.Next(1)->chunk().id());
  EXPECT_THAT(ids, ElementsAre(8, 9, 18, 19, 0, 1));
  EXPECT_EQ(queue.Next(0)->chunk().id(), 2u);
}

TEST(ChunkRanges, AChunkIsDoneWhenAllItsRangesAre) {
  ChunkQueue queue = Queue(Fresh(1), {0, 1});
  const proto::Task first = *queue.Next(0);
  const proto::Task rest = *queue.Next(0);
  ASSERT_NE(first.end_minibatch(), 0u);
  ASSERT_TRUE(queue.Advance(0, After(first, EndOf(first), 1, true)).ok());
  EXPECT_THAT(queue.TakeDone(), IsEmpty());
  queue.Finish(0);
  EXPECT_FALSE(queue.all_done()) << Text(rest);
  while (queue.Next(1)) {
  }
  queue.Finish(1);
  EXPECT_TRUE(queue.all_done());
  EXPECT_THAT(queue.TakeDone(), ElementsAre(0));
  EXPECT_THAT(queue.TakeDone(), IsEmpty());
}

}  // namespace
}  // namespace sherd
