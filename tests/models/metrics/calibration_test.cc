#include "models/metrics/calibration.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/hash.h"
#include "models/metrics/quality.h"

namespace sherd {
namespace {

TEST(CalibrationTest, WorkedByHand) {
  const float l = std::log(3.0f);
  // Probabilities 1/4 (positive, negative), 1/2 (negative of weight 2), 3/4 (positive twice).
  const std::vector<ScoredRow> rows = {ScoredRow::Of(-l, true, 1), ScoredRow::Of(-l, false, 1),
                                       ScoredRow::Of(0, false, 2), ScoredRow::Of(l, true, 1),
                                       ScoredRow::Of(l, true, 1)};
  const auto table = CalibrationTable(rows, 3);
  ASSERT_EQ(table.size(), 3u);
  EXPECT_NEAR(table[0].predicted, 0.25, 1e-6);
  EXPECT_DOUBLE_EQ(table[0].observed, 0.5);
  EXPECT_NEAR(table[0].ratio(), 0.5, 1e-6);
  EXPECT_DOUBLE_EQ(table[1].weight, 2);
  EXPECT_TRUE(std::isinf(table[1].ratio()));
  EXPECT_NEAR(table[2].predicted, 0.75, 1e-6);
  EXPECT_DOUBLE_EQ(table[2].observed, 1);
}

TEST(CalibrationTest, BucketsAreOfEqualWeightAndTogetherAllRows) {
  std::vector<ScoredRow> rows;
  double clicks = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const float score = 6 * UnitFloat(Mix(1, i)) - 4;
    const bool positive = UnitDouble(Mix(2, i)) < Sigmoid(score);  // calibrated by construction
    rows.push_back(ScoredRow::Of(score, positive, 1));
    clicks += positive;
  }
  std::sort(rows.begin(), rows.end(), [](const ScoredRow& a, const ScoredRow& b) { return a.score < b.score; });
  const auto table = CalibrationTable(rows, 10);
  ASSERT_EQ(table.size(), 10u);
  double weight = 0, observed = 0;
  for (const CalibrationBucket& bucket : table) {
    EXPECT_NEAR(bucket.weight, 2000, 2);
    EXPECT_NEAR(bucket.ratio(), 1, 5 * std::sqrt(1 / (2000 * bucket.predicted)));
    weight += bucket.weight;
    observed += bucket.weight * bucket.observed;
  }
  EXPECT_DOUBLE_EQ(weight, 20000);
  EXPECT_NEAR(observed, clicks, 1e-6);
}

TEST(CalibrationTest, RowsOfOneScoreStayTogether) {
  const std::vector<ScoredRow> rows(100, ScoredRow::Of(0, true, 1));
  EXPECT_EQ(CalibrationTable(rows, 10).size(), 1u);
  EXPECT_TRUE(CalibrationTable({}, 10).empty());
  EXPECT_TRUE(CalibrationTable(rows, 0).empty());
}

}  // namespace
}  // namespace sherd
