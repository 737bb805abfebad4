#include "scheduler/surveyed_ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace sherd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

proto::ChunkPosition Position(std::uint64_t chunk, std::uint32_t first, std::uint32_t end, std::uint32_t minibatches,
                              bool done = false) {
  proto::ChunkPosition position;
  position.mutable_chunk()->set_id(chunk);
  position.mutable_chunk()->set_end(10000);
  position.set_first_minibatch(first);
  position.set_end_minibatch(end);
  position.set_minibatches(minibatches);
  position.set_done(done);
  position.set_rows(10 * (minibatches - first));
  return position;
}

proto::Lease LeaseOf(const proto::ChunkPosition& position) {
  proto::Lease lease;
  *lease.mutable_position() = position;
  return lease;
}

proto::ChunkRange Applied(std::uint64_t chunk, std::uint32_t first, std::uint32_t end) {
  proto::ChunkRange range;
  range.set_chunk(chunk);
  range.set_first_minibatch(first);
  range.set_end_minibatch(end);
  return range;
}

// "0:4-8 worker 1", "0:8-end", "0:0-4 done", "1:0-8 has 3 5".
std::string Text(const ChunkQueue::Known& known) {
  const proto::ChunkPosition& left = known.left;
  std::string text = std::to_string(left.chunk().id()) + ":" + std::to_string(left.first_minibatch()) + "-" +
                     (left.end_minibatch() == 0 ? "end" : std::to_string(left.end_minibatch()));
  if (left.done()) text += " done";
  if (known.worker) text += " worker " + std::to_string(*known.worker);
  if (!known.applied.empty()) text += " has";
  for (const std::uint32_t applied : known.applied) text += " " + std::to_string(applied);
  return text;
}

std::vector<std::string> Texts(const EpochSurvey& survey) {
  const auto ranges = RangesOf(survey);
  EXPECT_TRUE(ranges.ok()) << ranges.status().text();
  std::vector<std::string> texts;
  if (!ranges.ok()) return texts;
  for (const ChunkQueue::Known& known : *ranges) texts.push_back(Text(known));
  return texts;
}

TEST(SurveyedRangesTest, WorkersKeepWhatTheyHoldAndTheRestIsDealt) {
  EpochSurvey survey;
  survey.begin = {Position(0, 0, 0, 0), Position(1, 0, 0, 0), Position(2, 0, 0, 0)};
  survey.leases[0] = {LeaseOf(Position(0, 0, 0, 7, true))};
  survey.leases[1] = {LeaseOf(Position(1, 0, 4, 2)), LeaseOf(Position(1, 4, 8, 4))};
  survey.applied = {{Applied(0, 0, 7), Applied(1, 0, 3)}, {Applied(0, 0, 7), Applied(1, 0, 2)}};
  EXPECT_THAT(Texts(survey), ElementsAre("0:0-end worker 0", "1:0-4 worker 1", "1:4-8 worker 1", "1:8-end", "2:0-end"));
  auto queue = ChunkQueue::Restore(RangesOf(survey).value(), {.workers = {0, 1}});
  ASSERT_TRUE(queue.ok()) << queue.status().text();
  EXPECT_EQ(queue->counts().trained, 70u + 20u);
  EXPECT_THAT(queue->TakeDone(), ElementsAre(0));
  EXPECT_TRUE(queue->settled());
  EXPECT_EQ(queue->Next(0)->first_minibatch(), 8u);
  EXPECT_EQ(queue->OpenRanges(1).size(), 2u);
}

TEST(SurveyedRangesTest, OfALostWorkersRangesShardsSayWhatTheyHave) {
  EpochSurvey survey;
  survey.begin = {Position(0, 0, 0, 0)};
  // Somebody had it from 0 on and another one from 8 on; both are lost.
  survey.applied = {{Applied(0, 0, 5), Applied(0, 8, 10)}, {Applied(0, 0, 3)}};
  EXPECT_THAT(Texts(survey), ElementsAre("0:0-8 has 5 3", "0:8-end has 10 8"));
  auto queue = ChunkQueue::Restore(RangesOf(survey).value(), {.workers = {0}});
  ASSERT_TRUE(queue.ok()) << queue.status().text();
  EXPECT_FALSE(queue->settled());
  EXPECT_THAT(queue->Next(0)->applied(), ElementsAre(5, 3));
}

TEST(SurveyedRangesTest, WhatWasDoneBeforeTheRoundIsDone) {
  EpochSurvey survey;
  survey.begin = {Position(0, 0, 0, 9, true), Position(1, 0, 6, 4), Position(1, 6, 0, 6)};
  survey.leases[0] = {LeaseOf(Position(1, 4, 6, 4))};
  survey.applied = {{}};
  EXPECT_THAT(Texts(survey), ElementsAre("0:0-end done", "1:0-4 done", "1:4-6 worker 0", "1:6-end"));
  const auto queue = ChunkQueue::Restore(RangesOf(survey).value(), {.workers = {0}});
  ASSERT_TRUE(queue.ok()) << queue.status().text();
  EXPECT_EQ(queue->counts().trained, 90u + 40u);
}

// Shards have forgotten them; who did them may be lost.
TEST(SurveyedRangesTest, ChunksThatTheJournalHasAreDone) {
  EpochSurvey survey;
  survey.begin = {Position(0, 0, 0, 0), Position(1, 0, 0, 0)};
  survey.done = {Position(0, 0, 4, 4, true), Position(0, 4, 0, 9, true)};
  survey.leases[0] = {LeaseOf(Position(0, 4, 0, 9, true)), LeaseOf(Position(1, 0, 0, 3))};
  survey.applied = {{Applied(1, 0, 3)}};
  EXPECT_THAT(Texts(survey), ElementsAre("0:0-4 done", "0:4-end done", "1:0-end worker 0"));
}

TEST(SurveyedRangesTest, TwoWorkersCanNotHoldTheSame) {
  EpochSurvey survey;
  survey.begin = {Position(0, 0, 0, 0)};
  survey.leases[0] = {LeaseOf(Position(0, 0, 6, 2))};
  survey.leases[1] = {LeaseOf(Position(0, 4, 0, 5))};
  EXPECT_THAT(RangesOf(survey).status().text(), HasSubstr("worker 1 holds chunk 0 from minibatch 4 on"));
  EXPECT_THAT(RangesOf({}).value(), IsEmpty());
}

// A chunk in parts that live and lost workers had, and that nobody had: whatever each shard has of it, in the end it
// has each minibatch once.
TEST(SurveyedRangesTest, EachMinibatchReachesEachShardOnce) {
  constexpr std::uint32_t kLength = 40, kShards = 3;
  std::mt19937 random(11);
  const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  for (int round = 0; round < 2000; ++round) {
    EpochSurvey survey;
    survey.begin = {Position(0, 0, kLength, 0)};
    std::vector<std::vector<int>> applied(kShards, std::vector<int>(kLength, 0));
    for (std::uint32_t first = 0; first < kLength;) {
      const std::uint32_t end = std::min(first + 1 + below(12), kLength);
      const std::uint32_t acknowledged = first + below(end - first + 1), worker = below(4);  // 2: lost, 3: nobody
      for (std::uint32_t shard = 0; shard < kShards && worker != 3; ++shard) {
        const std::uint32_t up_to = acknowledged + below(end - acknowledged + 1);
        for (std::uint32_t i = first; i < up_to; ++i) ++applied[shard][i];
        // What a live worker has not pushed yet, it will.
        for (std::uint32_t i = up_to; i < end && worker < 2; ++i) applied[shard][i] = -1;
      }
      if (worker < 2) survey.leases[worker].push_back(LeaseOf(Position(0, first, end, acknowledged)));
      first = end;
    }
    for (const std::vector<int>& shard : applied) {
      std::vector<proto::ChunkRange>& ranges = survey.applied.emplace_back();
      for (std::uint32_t i = 0; i < kLength; ++i) {
        if (shard[i] != 1) continue;
        const std::uint32_t first = i;
        while (i < kLength && shard[i] == 1) ++i;
        ranges.push_back(Applied(0, first, i));
      }
    }
    const auto ranges = RangesOf(survey);
    ASSERT_TRUE(ranges.ok()) << ranges.status().text();
    ASSERT_TRUE(ChunkQueue::Restore(*ranges, {.workers = {0, 1}}).ok());
    for (const ChunkQueue::Known& known : *ranges) {
      if (known.left.done()) continue;
      for (std::uint32_t i = known.left.minibatches(); i < known.left.end_minibatch(); ++i) {
        for (std::uint32_t shard = 0; shard < kShards; ++shard) {
          if (known.worker) {
            applied[shard][i] = 1;
          } else if (known.applied.empty() || i >= known.applied[shard]) {
            ++applied[shard][i];
          }
        }
      }
    }
    for (const std::vector<int>& shard : applied) {
      for (const int times : shard) ASSERT_EQ(times, 1) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace sherd
