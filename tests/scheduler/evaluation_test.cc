#include "scheduler/evaluation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "scheduler/bad_rows.h"
#include "scheduler/progress_meter.h"

namespace sherd {
namespace {

std::vector<proto::Chunk> Chunks(std::uint64_t n) {
  std::vector<proto::Chunk> chunks(n);
  for (std::uint64_t i = 0; i < n; ++i) chunks[i].set_id(i);
  return chunks;
}

ChunkResult Of(std::uint32_t evaluation, std::uint64_t chunk, std::uint32_t worker, std::uint64_t rows = 1) {
  ChunkResult result;
  result.worker = worker;
  result.body.set_evaluation(evaluation);
  result.body.set_chunk(chunk);
  result.body.set_rows(rows);
  return result;
}

TEST(Evaluation, ResultsComeOutInOrderEachOnce) {
  Evaluation evaluation(4, Chunks(3), 10);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(evaluation.Next(i % 2)->id(), static_cast<std::uint64_t>(i));
  EXPECT_FALSE(evaluation.Next(0));
  EXPECT_TRUE(evaluation.Take(Of(4, 2, 0, 30)).ok());
  EXPECT_FALSE(evaluation.Pop());
  EXPECT_TRUE(evaluation.Take(Of(4, 0, 0, 10)).ok());
  EXPECT_TRUE(evaluation.Take(Of(4, 0, 0, 99)).ok());  // repeated: harmless
  EXPECT_EQ(evaluation.Pop()->body.rows(), 10u);
  EXPECT_FALSE(evaluation.Pop());
  EXPECT_TRUE(evaluation.Take(Of(4, 0, 0, 99)).ok());  // and again, after its turn
  EXPECT_TRUE(evaluation.Take(Of(4, 1, 1, 20)).ok());
  EXPECT_EQ(evaluation.Pop()->body.rows(), 20u);
  EXPECT_EQ(evaluation.Pop()->body.rows(), 30u);
  EXPECT_TRUE(evaluation.done());
  EXPECT_FALSE(evaluation.Pop());
}

TEST(Evaluation, TheWindowHoldsBackWhoRunsAhead) {
  Evaluation evaluation(1, Chunks(5), 2);
  EXPECT_TRUE(evaluation.Next(0));
  EXPECT_TRUE(evaluation.Next(1));
  EXPECT_FALSE(evaluation.Next(1));
  ASSERT_TRUE(evaluation.Take(Of(1, 1, 1)).ok());
  EXPECT_FALSE(evaluation.Next(1));  // chunk 0 is still missing
  ASSERT_TRUE(evaluation.Take(Of(1, 0, 0)).ok());
  EXPECT_TRUE(evaluation.Pop());
  EXPECT_TRUE(evaluation.Pop());
  EXPECT_EQ(evaluation.Next(1)->id(), 2u);
}

TEST(Evaluation, RefusesWhatWasNotDealt) {
  Evaluation evaluation(1, Chunks(2), 2);
  evaluation.Next(0);
  EXPECT_FALSE(evaluation.Take(Of(1, 0, 1)).ok());  // another worker's
  EXPECT_FALSE(evaluation.Take(Of(1, 1, 0)).ok());  // not dealt yet
  EXPECT_FALSE(evaluation.Take(Of(1, 9, 0)).ok());  // no such chunk
  EXPECT_TRUE(evaluation.Take(Of(7, 0, 0)).ok());   // late, of another evaluation: ignored
  EXPECT_FALSE(evaluation.Pop());
}

TEST(Evaluation, WhatALostWorkerHasNotFinishedIsDealtAgainFirst) {
  Evaluation evaluation(1, Chunks(4), 4);
  evaluation.Next(0);
  evaluation.Next(1);
  evaluation.Next(1);
  ASSERT_TRUE(evaluation.Take(Of(1, 1, 1)).ok());
  evaluation.Lose(1);
  EXPECT_EQ(evaluation.Next(0)->id(), 2u);
  EXPECT_EQ(evaluation.Next(0)->id(), 3u);
  for (std::uint64_t chunk : {0, 2, 3}) EXPECT_TRUE(evaluation.Take(Of(1, chunk, 0)).ok());
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(evaluation.Pop()) << i;
  EXPECT_TRUE(evaluation.done());
}

Frame Floats(std::vector<float> values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return Frame::Of(std::move(bytes));
}

Message ResultMessage(std::uint64_t rows, std::vector<Frame> frames) {
  proto::EvalResult body;
  body.set_rows(rows);
  Message message = MakeControl(proto::EVAL_RESULT, body);
  message.frames.insert(message.frames.end(), frames.begin(), frames.end());
  return message;
}

TEST(ParseChunkResult, ChecksFramesAgainstOneAnother) {
  using enum ResultKind;
  const Frame two = Floats({1, 2}), one = Floats({1}), none;
  EXPECT_TRUE(ParseChunkResult(ResultMessage(2, {two, two, none, none}), kEvaluation).ok());
  EXPECT_TRUE(ParseChunkResult(ResultMessage(2, {two, two, two, Floats({1, 2, 3, 4})}), kEvaluation).ok());
  EXPECT_TRUE(ParseChunkResult(ResultMessage(2, {}), kEvaluation).ok());  // lists only
  EXPECT_FALSE(ParseChunkResult(ResultMessage(2, {two, one, none, none}), kEvaluation).ok());
  EXPECT_FALSE(ParseChunkResult(ResultMessage(2, {two, none, none, none}), kEvaluation).ok());
  EXPECT_FALSE(ParseChunkResult(ResultMessage(2, {two, two, one, none}), kEvaluation).ok());
  EXPECT_FALSE(ParseChunkResult(ResultMessage(2, {two, two, none, two}), kEvaluation).ok());
  EXPECT_FALSE(ParseChunkResult(ResultMessage(2, {Frame::Of("abc"), none}), kEvaluation).ok());
  EXPECT_FALSE(ParseChunkResult(ResultMessage(2, {none, none, none, none, none}), kEvaluation).ok());
  Message torn = ResultMessage(2, {});
  torn.frames[0] = Frame::Of("\xff\xff\xff");
  EXPECT_FALSE(ParseChunkResult(torn, kEvaluation).ok());
  torn.frames.clear();
  EXPECT_FALSE(ParseChunkResult(torn, kEvaluation).ok());
  // Predictions need one score a row, and no labels.
  EXPECT_TRUE(ParseChunkResult(ResultMessage(2, {two}), kPrediction).ok());
  EXPECT_FALSE(ParseChunkResult(ResultMessage(3, {two}), kPrediction).ok());
}

// Where lists are explained there are shares of their places, and no lists besides.
TEST(ParseChunkResult, SharesAreThoseOfTheirPlaces) {
  const auto parse = [](std::vector<std::uint32_t> counts, std::vector<std::uint32_t> lengths) {
    proto::EvalResult body;
    body.mutable_share_count()->Add(counts.begin(), counts.end());
    body.mutable_list_length()->Add(lengths.begin(), lengths.end());
    Message message = MakeControl(proto::EVAL_RESULT, body);
    message.frames.push_back(Floats({0.5, 1, 2}));
    return ParseChunkResult(message, ResultKind::kRecommendation).ok();
  };
  EXPECT_TRUE(parse({1, 2}, {}));
  EXPECT_FALSE(parse({1, 1}, {}));
  EXPECT_FALSE(parse({4}, {}));
  EXPECT_FALSE(parse({1, 2}, {3}));
  EXPECT_FALSE(parse({}, {}));
}

google::protobuf::RepeatedPtrField<proto::BadRow> Kinds(const std::string& reason, std::uint64_t count) {
  google::protobuf::RepeatedPtrField<proto::BadRow> rows;
  rows.Add()->set_reason(reason);
  rows[0].set_where("a.txt:" + std::to_string(count));
  rows[0].set_count(count);
  return rows;
}

TEST(BadRows, JudgesTheShareOnlyOnceItMeansSomething) {
  using enum BadRows::Moment;
  BadRows rows(0.01);
  EXPECT_EQ(rows.Add(0, 100, 2, Kinds("integer expected", 2)).size(), 1u);
  EXPECT_TRUE(rows.Check(kRunning).ok());
  const Status at_end = rows.Check(kEnd);
  ASSERT_FALSE(at_end.ok());
  EXPECT_NE(at_end.text().find("2 of 100 rows"), std::string::npos) << at_end.text();
  EXPECT_NE(at_end.text().find("a.txt:2: integer expected"), std::string::npos);
  rows.Add(0, 900, 8, {});
  EXPECT_TRUE(rows.Check(kRunning).ok());  // exactly the allowed share
  rows.Add(0, 0, 1, {});
  EXPECT_FALSE(rows.Check(kRunning).ok());
}

TEST(BadRows, NoneAllowedMeansNone) {
  BadRows rows(0);
  rows.Add(0, 5000, 0, {});
  EXPECT_TRUE(rows.Check(BadRows::Moment::kRunning).ok());
  rows.Add(0, 1, 1, {});
  EXPECT_FALSE(rows.Check(BadRows::Moment::kRunning).ok());
}

TEST(BadRows, KindsAreTheFirstOfEachAndCountWorkersOnce) {
  BadRows rows(1);
  EXPECT_EQ(rows.Add(0, 10, 3, Kinds("a", 3)).size(), 1u);
  EXPECT_EQ(rows.Add(0, 10, 2, Kinds("a", 5)).size(), 0u);  // so far, at this worker
  EXPECT_EQ(rows.Add(1, 10, 1, Kinds("a", 1)).size(), 0u);
  EXPECT_EQ(rows.Add(1, 10, 4, Kinds("b", 4)).size(), 1u);
  ASSERT_EQ(rows.kinds().size(), 2u);
  EXPECT_EQ(rows.kinds()[0].where(), "a.txt:3");
  EXPECT_EQ(rows.kinds()[0].count(), 6u);
  EXPECT_EQ(rows.kinds()[1].count(), 4u);
}

proto::Progress Trained(std::uint64_t rows, double loss, int positive_bin, int negative_bin) {
  proto::Progress progress;
  progress.set_rows(rows);
  progress.set_loss_sum(loss);
  progress.mutable_positive()->Resize(256, 0);
  progress.mutable_negative()->Resize(256, 0);
  progress.set_positive(positive_bin, 10);
  progress.set_negative(negative_bin, 10);
  return progress;
}

TEST(ProgressMeter, ShowsTheLastSecondsOfAllWorkers) {
  ProgressMeter meter;
  const Deadline start{};
  meter.Start(start);
  ASSERT_TRUE(meter.Add(0, Trained(1000, 900, 10, 200), start).ok());  // out of the window soon, and all wrong
  const Deadline later = start + std::chrono::seconds(10);
  ASSERT_TRUE(meter.Add(0, Trained(100, 50, 200, 10), later).ok());
  ASSERT_TRUE(meter.Add(0, Trained(300, 50, 100, 100), later).ok());
  ProgressReport report;
  meter.Report(later, &report);
  EXPECT_DOUBLE_EQ(report.rows_per_second, 400 / 5.0);
  EXPECT_DOUBLE_EQ(report.loss, 0.25);
  EXPECT_DOUBLE_EQ(report.auc, 1 - 0.5 * 100 / 400);  // only the tied bin is wrong: half of its pairs, a quarter of all
}

TEST(ProgressMeter, TellsErrorsOfSquaredErrorAlone) {
  ProgressMeter meter;
  const Deadline start = Clock::now();
  meter.Start(start);
  proto::Progress progress;
  progress.set_rows(4);
  progress.set_loss_sum(9);
  ASSERT_TRUE(meter.Add(0, progress, start).ok());
  ProgressReport report;
  meter.Report(start, &report);
  EXPECT_TRUE(std::isnan(report.rmse) && std::isnan(report.mae));
  progress.set_absolute_error_sum(5);
  ASSERT_TRUE(meter.Add(0, progress, start).ok());
  meter.Report(start, &report);
  EXPECT_DOUBLE_EQ(report.rmse, std::sqrt(18.0 / 8));
  EXPECT_DOUBLE_EQ(report.mae, 5.0 / 8);
}

TEST(ProgressMeter, AStandstillHasNoPaceButKeepsItsLoss) {
  ProgressMeter meter;
  meter.Start({});
  ASSERT_TRUE(meter.Add(0, Trained(100, 50, 200, 10), {}).ok());
  ProgressReport report;
  meter.Report(Deadline() + std::chrono::minutes(1), &report);
  EXPECT_EQ(report.rows_per_second, 0);
  EXPECT_DOUBLE_EQ(report.loss, 0.5);
}

TEST(ProgressMeter, RefusesWhatIsNoFigure) {
  ProgressMeter meter;
  meter.Start({});
  EXPECT_FALSE(meter.Add(0, Trained(1, NAN, 1, 2), {}).ok());
  proto::Progress progress;
  progress.add_positive(1);
  EXPECT_FALSE(meter.Add(0, progress, {}).ok());
  ProgressReport report;
  meter.Report({}, &report);
  EXPECT_TRUE(std::isnan(report.auc));
  EXPECT_TRUE(std::isnan(report.loss));
}

}  // namespace
}  // namespace sherd
