#include "worker/evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <set>

#include "base/hash.h"

namespace sherd {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

WorkPtr MakeWork(std::uint64_t chunk) {
  auto work = std::make_shared<Work>();
  auto task = std::make_shared<proto::Task>();
  task->set_kind(proto::Task::EVALUATE);
  task->set_evaluation(3);
  task->mutable_chunk()->set_id(chunk);
  work->task = task;
  return work;
}

proto::EvalResult Body(const Message& message) {
  proto::EvalResult result;
  EXPECT_THAT(message.frames, SizeIs(5));
  EXPECT_TRUE(result.ParseFromArray(message.frames[0].bytes().data(), message.frames[0].size()));
  return result;
}

template <typename T>
std::vector<T> Values(const Frame& frame) {
  const auto span = frame.As<T>();
  return {span.begin(), span.end()};
}

// Sorted descending, the true item in the middle of its equals: the rank is the count above plus half of its equals.
double RankBySorting(const std::vector<float>& scores, const std::vector<std::uint64_t>& names) {
  std::vector<float> others;
  std::set<std::uint64_t> seen = {names[0]};
  for (std::size_t i = 1; i < names.size(); ++i) {
    if (seen.insert(names[i]).second) others.push_back(scores[i]);
  }
  std::sort(others.rbegin(), others.rend());
  const auto [first, last] = std::equal_range(others.begin(), others.end(), scores[0], std::greater<float>());
  return std::floor((first - others.begin()) + 0.5 * (last - first));
}

TEST(ListRankerTest, AgreesWithSortingOnRandomLists) {
  ListRanker ranker(5);
  double hits = 0, ndcg = 0, reciprocal = 0;
  for (std::uint64_t list = 0; list < 500; ++list) {
    std::vector<float> by_name;
    for (std::uint64_t name = 0; name < 30; ++name) by_name.push_back(Below(Mix(list, name), 12));  // many ties
    std::vector<std::uint64_t> names;
    std::vector<float> scores;
    for (std::uint64_t i = 0; i < 1 + Below(Mix(list, 100), 40); ++i) {
      names.push_back(Below(Mix(list, i, 5), 30));  // some twice, some the true item again
      scores.push_back(by_name[names.back()]);
    }
    ranker.Add(scores, names);
    const double rank = RankBySorting(scores, names);
    hits += rank < 5;
    ndcg += rank < 5 ? std::log(2.0) / std::log(rank + 2) : 0;
    reciprocal += 1 / (rank + 1);
  }
  EXPECT_EQ(ranker.sums().lists, 500u);
  EXPECT_EQ(ranker.sums().hits, hits);
  EXPECT_NEAR(ranker.sums().ndcg, ndcg, 1e-9);
  EXPECT_NEAR(ranker.sums().reciprocal_ranks, reciprocal, 1e-9);
}

// A model that scores everything alike may not look good, and one that gives NaN may look worse.
TEST(ListRankerTest, EqualAndNaNScoresWinNothing) {
  std::vector<std::uint64_t> names;
  for (std::uint64_t name = 0; name < 100; ++name) names.push_back(name);
  ListRanker ranker(10);
  ranker.Add(std::vector<float>(100, 0.5f), names);
  ranker.Add(std::vector<float>(100, kNaN), names);
  EXPECT_EQ(ranker.sums().hits, 0);
  EXPECT_DOUBLE_EQ(ranker.sums().reciprocal_ranks, 1.0 / 50 + 1.0 / 100);
}

TEST(EvaluatorTest, CorrectsLogitsForDownSampledNegatives) {
  proto::Job job;
  job.mutable_data()->set_negative_rate(0.1);
  Evaluator evaluator(job, false);
  WorkPtr work = MakeWork(8);
  work->minibatch.rows = 2;
  work->minibatch.labels = {1, 0};
  work->minibatch.groups = {70, 71};
  work->bad_rows = 3;
  evaluator.Add(*work, std::vector<float>{0.0f, 2.0f});
  const Message message = evaluator.Finish(*work, {});
  const proto::EvalResult result = Body(message);
  EXPECT_EQ(result.evaluation(), 3u);
  EXPECT_EQ(result.chunk(), 8u);
  EXPECT_EQ(result.rows(), 5u);
  EXPECT_EQ(result.bad_rows(), 3u);
  EXPECT_FALSE(result.has_lists());
  const std::vector<float> logits = Values<float>(message.frames[1]);
  for (std::size_t row = 0; row < 2; ++row) {
    const double p = 1 / (1 + std::exp(row == 0 ? 0.0 : -2.0));
    const double corrected = p / (p + (1 - p) / 0.1);
    EXPECT_NEAR(1 / (1 + std::exp(-logits[row])), corrected, 1e-6);
  }
  EXPECT_THAT(Values<float>(message.frames[2]), ElementsAre(1, 0));
  EXPECT_EQ(message.frames[3].size(), 0u);
  EXPECT_THAT(Values<std::uint64_t>(message.frames[4]), ElementsAre(70, 71));
}

TEST(EvaluatorTest, SquaredErrorValuesStayAsTheyAre) {
  proto::Job job;
  job.mutable_data()->set_negative_rate(0.1);
  job.mutable_model()->set_loss(proto::Model::SQUARED_ERROR);
  Evaluator evaluator(job, false);
  WorkPtr work = MakeWork(0);
  work->minibatch.rows = 1;
  work->minibatch.labels = {3};
  evaluator.Add(*work, std::vector<float>{2.5f});
  EXPECT_THAT(Values<float>(evaluator.Finish(*work, {}).frames[1]), ElementsAre(2.5f));
}

// Rows 1, 3, 4 and 6 of seven are bad, the last of them after the last good one; one minibatch has no good row at all.
TEST(EvaluatorTest, SquaredErrorValuesAreClippedToTheRangeOfLabels) {
  proto::Job job;
  job.mutable_model()->set_loss(proto::Model::SQUARED_ERROR);
  job.mutable_data()->mutable_label_range()->set_min(1);
  job.mutable_data()->mutable_label_range()->set_max(5);
  const WorkPtr work = MakeWork(1);
  work->minibatch.rows = 3;
  work->minibatch.labels = {1, 5, 3};
  for (const bool predict : {false, true}) {
    Evaluator evaluator(job, predict);
    work->minibatch.source_rows = {0, 1, 2};
    work->minibatch.source_rows_read = 3;
    evaluator.Add(*work, std::vector<float>{0.5f, 5.25f, 3.75f});
    EXPECT_THAT(Values<float>(evaluator.Finish(*work, {}).frames[1]), ElementsAre(1, 5, 3.75f)) << predict;
  }
}

TEST(EvaluatorTest, PredictionsStandInTheOrderOfTheInputWithNaNForBadRows) {
  proto::Job job;
  Evaluator evaluator(job, true);
  WorkPtr work = MakeWork(0);
  work->minibatch.rows = 2;
  work->minibatch.source_rows = {0, 2};
  work->minibatch.source_rows_read = 3;
  evaluator.Add(*work, std::vector<float>{10, 12});
  work->minibatch.rows = 0;
  work->minibatch.source_rows.clear();
  work->minibatch.source_rows_read = 5;
  evaluator.Add(*work, {});
  work->minibatch.rows = 1;
  work->minibatch.source_rows = {5};
  work->minibatch.source_rows_read = 7;
  evaluator.Add(*work, std::vector<float>{15});
  const Message message = evaluator.Finish(*work, {});
  EXPECT_EQ(Body(message).rows(), 7u);
  EXPECT_EQ(Body(message).bad_rows(), 4u);
  const std::vector<float> scores = Values<float>(message.frames[1]);
  ASSERT_THAT(scores, SizeIs(7));
  const std::vector<float> expected = {10, kNaN, 12, kNaN, kNaN, 15, kNaN};
  for (std::size_t i = 0; i < 7; ++i) EXPECT_THAT(scores[i], ::testing::NanSensitiveFloatEq(expected[i])) << i;
}

TEST(EvaluatorTest, BeginsAnewAfterEachChunk) {
  proto::Job job;
  Evaluator evaluator(job, false);
  WorkPtr lists = MakeWork(0);
  lists->minibatch.rows = 3;
  lists->minibatch.list_offsets = {0, 3};
  lists->minibatch.candidates = {1, 2, 3};
  evaluator.Add(*lists, std::vector<float>{3, 2, 1});
  const proto::EvalResult first = Body(evaluator.Finish(*lists, {}));
  EXPECT_EQ(first.lists(), 1u);
  EXPECT_EQ(first.hit_sum(), 1);
  evaluator.Add(*lists, std::vector<float>{1, 2, 3});
  evaluator.Add(*lists, std::vector<float>{2, 1, 3});
  const proto::EvalResult second = Body(evaluator.Finish(*lists, {}));
  EXPECT_EQ(second.lists(), 2u);
  EXPECT_EQ(second.rows(), 6u);
  EXPECT_NEAR(second.reciprocal_rank_sum(), 1.0 / 3 + 1.0 / 2, 1e-12);
}

}  // namespace
}  // namespace sherd
