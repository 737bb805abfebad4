#include "models/metrics/bootstrap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/hash.h"
#include "models/metrics/quality.h"

namespace sherd {
namespace {

using ::testing::Contains;
using ::testing::Key;
using ::testing::Not;

// Clicks of users who see more or less, whose logits tell the truth but for noise.
struct Clicks {
  std::vector<float> scores, labels, weights;
  std::vector<std::uint64_t> groups;

  explicit Clicks(double noise, std::size_t rows = 3000) {
    for (std::size_t i = 0; i < rows; ++i) {
      const std::uint64_t user = Mix(1, i) % 60 % (1 + Mix(2, i) % 60);  // few have many rows
      const double truth = 4 * UnitDouble(Mix(3, i)) - 3 + 0.5 * std::cos(static_cast<double>(user));
      labels.push_back(UnitDouble(Mix(4, i)) < Sigmoid(truth) ? 1 : 0);
      scores.push_back(static_cast<float>(truth + noise * (UnitDouble(Mix(5, i)) - 0.5)));
      weights.push_back(i % 3 == 0 ? 2.0f : 0.5f);
      groups.push_back(1000 + user);
    }
  }
  EvaluatedRows Rows(proto::Model::Loss loss = proto::Model::LOG_LOSS) const {
    EvaluatedRows rows(loss);
    rows.Add(scores, labels, weights, groups);
    rows.Sort();
    return rows;
  }
};

TEST(EvaluatedRowsTest, AGroupThatCountsThreeTimesIsThereThreeTimes) {
  const Clicks clicks(1);
  for (const auto loss : {proto::Model::LOG_LOSS, proto::Model::SQUARED_ERROR}) {
    const EvaluatedRows rows = clicks.Rows(loss);
    std::vector<std::uint32_t> multiplicity;
    for (std::size_t g = 0; g < rows.groups(); ++g) multiplicity.push_back(g % 4);
    // Groups are numbered as they come; copies of a user are users of their own, as far as figures of groups go.
    std::map<std::uint64_t, std::uint32_t> number;
    for (const std::uint64_t group : clicks.groups) number.emplace(group, number.size());
    Quality repeated({.loss = loss});
    for (std::size_t i = 0; i < clicks.scores.size(); ++i) {
      for (std::uint32_t copy = 0; copy < multiplicity[number[clicks.groups[i]]]; ++copy) {
        repeated.Add({&clicks.scores[i], 1}, {&clicks.labels[i], 1}, {&clicks.weights[i], 1},
                     std::vector<std::uint64_t>{clicks.groups[i] * 4 + copy});
      }
    }
    auto expected = repeated.Figures();
    const auto figures = rows.Figures(multiplicity);
    EXPECT_GE(figures.size(), 2u);
    for (const auto& [name, value] : figures) EXPECT_NEAR(value, expected.at(name), 1e-9) << name;
  }
}

TEST(BootstrapTest, IntervalsHoldTheFigureAndNarrowWithTheRows) {
  const EvaluatedRows few = Clicks(1, 1000).Rows();
  EvaluatedRows many(proto::Model::LOG_LOSS);
  const Clicks clicks(1, 16000);
  many.Add(clicks.scores, clicks.labels, clicks.weights, {});  // each row a group
  many.Sort();
  const auto wide = BootstrapIntervals(few, 200), narrow = BootstrapIntervals(many, 200);
  const auto of_few = few.Figures(std::vector<std::uint32_t>(few.groups(), 1));
  for (const char* name : {"auc", "gauc", "log_loss", "calibration", "accuracy", "rmse"}) {
    EXPECT_LT(wide.at(name).low, of_few.at(name)) << name;
    EXPECT_GT(wide.at(name).high, of_few.at(name)) << name;
  }
  EXPECT_THAT(narrow, Not(Contains(Key("gauc")))) << "rows are no groups with an AUC";
  EXPECT_LT(narrow.at("auc").high - narrow.at("auc").low, 0.5 * (wide.at("auc").high - wide.at("auc").low));
  EXPECT_EQ(BootstrapIntervals(few, 200), wide) << "the same samples each time";
}

// The mean's interval has a formula: half its length is 1.96 standard errors.
TEST(BootstrapTest, AgreesWithTheNormalIntervalOfAMean) {
  std::vector<float> scores, labels;
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < 4000; ++i) {
    const float error = UnitFloat(Mix(9, i));
    scores.push_back(error);
    labels.push_back(0);
    sum += error;
    squares += error * error;
  }
  EvaluatedRows rows(proto::Model::SQUARED_ERROR);
  rows.Add(scores, labels, {}, {});
  rows.Sort();
  const double mean = sum / 4000, deviation = std::sqrt(squares / 4000 - mean * mean);
  const Interval interval = BootstrapIntervals(rows, 2000).at("mae");
  EXPECT_NEAR(interval.high - interval.low, 2 * 1.96 * deviation / std::sqrt(4000.0), 0.0012);
  EXPECT_NEAR((interval.high + interval.low) / 2, mean, 0.001);
}

TEST(ComparePairedTest, ABetterModelIsFoundAndAModelIsNotBetterThanItself) {
  const EvaluatedRows good = Clicks(0.5).Rows(), bad = Clicks(3).Rows();
  const auto compared = ComparePaired(good, bad, 400).value();
  EXPECT_GT(compared.at("auc").difference, 0);
  EXPECT_GT(compared.at("auc").interval.low, 0);
  EXPECT_LT(compared.at("auc").p, 0.01);
  EXPECT_LT(compared.at("log_loss").interval.high, 0);
  const auto reversed = ComparePaired(bad, good, 400).value();
  EXPECT_DOUBLE_EQ(reversed.at("auc").difference, -compared.at("auc").difference);
  const auto with_itself = ComparePaired(good, good, 400).value();
  for (const auto& [name, same] : with_itself) {
    EXPECT_EQ(same.difference, 0) << name;
    EXPECT_EQ(same.interval, Interval{}) << name;
    EXPECT_EQ(same.p, 1) << name;
  }
  // What is common to both cancels: the difference's interval is narrower than that of either figure.
  const Interval alone = BootstrapIntervals(bad, 400).at("auc"), paired = compared.at("auc").interval;
  EXPECT_LT(paired.high - paired.low, alone.high - alone.low);
}

TEST(ComparePairedTest, OtherRowsAreRefused) {
  Clicks clicks(1, 100);
  const EvaluatedRows rows = clicks.Rows();
  clicks.labels[70] = 1 - clicks.labels[70];
  EXPECT_EQ(ComparePaired(rows, clicks.Rows(), 10).status().code(), ErrorCode::kInvalid);
}

}  // namespace
}  // namespace sherd
