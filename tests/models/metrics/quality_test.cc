#include "models/metrics/quality.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/hash.h"

namespace sherd {
namespace {

using ::testing::Contains;
using ::testing::Key;
using ::testing::Not;

TEST(Quality, HandWorked) {
  Quality quality({});
  // Probabilities 1/2, 3/4, 1/4; labels 1, 1, 1; then a negative of weight 2 at 3/4.
  const float l = std::log(3.0f);
  quality.Add(std::vector<float>{0, l, -l, l}, std::vector<float>{1, 1, 1, 0}, std::vector<float>{1, 1, 1, 2}, {});
  auto figures = quality.Figures();
  EXPECT_NEAR(figures["log_loss"], (std::log(2) + std::log(4.0 / 3) + std::log(4) + 2 * std::log(4)) / 5, 1e-7);
  EXPECT_NEAR(figures["accuracy"], 1.0 / 5, 1e-12);  // a half is no "yes"
  EXPECT_NEAR(figures["calibration"], (0.5 + 0.75 + 0.25 + 2 * 0.75) / 3, 1e-7);
  EXPECT_NEAR(figures["rmse"], std::sqrt((0.25 + 1.0 / 16 + 9.0 / 16 + 2 * 9.0 / 16) / 5), 1e-7);
  EXPECT_NEAR(figures["auc"], 0.5 / 3, 1e-12);
  EXPECT_EQ(quality.rows(), 4u);
  EXPECT_THAT(figures, Not(Contains(Key("auc_error"))));
}

TEST(Quality, LogLossOfExtremeLogitsIsFiniteAndExact) {
  Quality quality({});
  quality.Add(std::vector<float>{1000, -1000}, std::vector<float>{0, 1}, {}, {});
  EXPECT_DOUBLE_EQ(quality.Figures()["log_loss"], 1000);
  EXPECT_DOUBLE_EQ(SoftPlus(-800), 0);
  EXPECT_NEAR(SoftPlus(-30), std::exp(-30), 1e-22);
  EXPECT_DOUBLE_EQ(Sigmoid(-800) + Sigmoid(800), 1);
}

TEST(Quality, SquaredErrorTakesScoresAsPredictions) {
  Quality quality({.loss = proto::Model::SQUARED_ERROR});
  quality.Add(std::vector<float>{1, 2, 3}, std::vector<float>{1, 4, 2.5}, {}, {});
  auto figures = quality.Figures();
  EXPECT_NEAR(figures["rmse"], std::sqrt((0 + 4 + 0.25) / 3), 1e-12);
  EXPECT_NEAR(figures["mae"], (0 + 2 + 0.5) / 3, 1e-12);
  EXPECT_EQ(figures.size(), 2u);  // ratings have no AUC, no accuracy
}

TEST(Quality, OfClassesTheShareThatIsRightByWeight) {
  Quality quality({.loss = proto::Model::CROSS_ENTROPY});
  quality.Add(std::vector<float>{7, 0, 1, 3}, std::vector<float>{7, 2, 1, 4}, std::vector<float>{1, 2, 3, 4}, {});
  EXPECT_EQ(quality.Figures(), (std::map<std::string, double>{{"accuracy", 0.4}}));
}

TEST(Quality, UndefinedFiguresAreAbsent) {
  Quality quality({});
  EXPECT_TRUE(quality.Figures().empty());
  quality.Add(std::vector<float>{1, 2}, std::vector<float>{0, 0}, {}, {});
  EXPECT_THAT(quality.Figures(), Not(Contains(Key("auc"))));
  EXPECT_THAT(quality.Figures(), Not(Contains(Key("calibration"))));
  EXPECT_THAT(quality.Figures(), Contains(Key("log_loss")));
}

TEST(Quality, RowsThatAreNoNumbersAreCountedNotSummed) {
  Quality quality({});
  quality.Add(std::vector<float>{0, NAN, 1, 1, INFINITY}, std::vector<float>{1, 1, 0, NAN, 1},
              std::vector<float>{1, 1, -1, 1, 1}, {});
  EXPECT_EQ(quality.rows(), 1u);
  EXPECT_EQ(quality.not_finite(), 4u);
  EXPECT_NEAR(quality.Figures()["log_loss"], std::log(2), 1e-12);
}

std::map<std::string, double> Figures(std::uint64_t exact_auc_rows, std::size_t part) {
  Quality quality({.exact_auc_rows = exact_auc_rows});
  std::vector<float> scores, labels;
  std::vector<std::uint64_t> groups;
  for (std::size_t i = 0; i < 5000; ++i) {
    scores.push_back(UnitFloat(Mix(7, i, 1)) * 10 - 5);
    labels.push_back(UnitFloat(Mix(7, i, 2)) * 10 - 5 < scores.back() ? 1 : 0);
    groups.push_back(i % 17);
  }
  for (std::size_t i = 0; i < scores.size(); i += part) {
    const std::size_t n = std::min(part, scores.size() - i);
    quality.Add(std::span(scores).subspan(i, n), std::span(labels).subspan(i, n), {}, std::span(groups).subspan(i, n));
  }
  return quality.Figures();
}

TEST(Quality, PartsMakeNoDifference) { EXPECT_EQ(Figures(10000, 5000), Figures(10000, 7)); }

TEST(Quality, BeyondTheLimitByHistogramWithinItsBound) {
  auto exact = Figures(5000, 100), bounded = Figures(4999, 100);
  EXPECT_THAT(exact, Contains(Key("group_auc")));
  EXPECT_THAT(exact, Not(Contains(Key("auc_error"))));
  EXPECT_THAT(bounded, Not(Contains(Key("group_auc"))));
  ASSERT_THAT(bounded, Contains(Key("auc_error")));
  EXPECT_GT(bounded["auc_error"], 0);
  EXPECT_LT(bounded["auc_error"], 1e-3);
  EXPECT_LE(std::abs(bounded["auc"] - exact["auc"]), bounded["auc_error"]);
  EXPECT_DOUBLE_EQ(bounded["log_loss"], exact["log_loss"]);
}

TEST(Quality, Rankings) {
  RankingSums sums;
  sums.Add(1, 10);
  sums.Add(3, 10);
  sums.Add(11, 10);
  Quality quality({.at = 10});
  quality.Add(sums);
  auto figures = quality.Figures();
  EXPECT_DOUBLE_EQ(figures["hr@10"], 2.0 / 3);
  EXPECT_DOUBLE_EQ(figures["ndcg@10"], (1 + 0.5) / 3);  // log 2 / log 4
  EXPECT_DOUBLE_EQ(figures["mrr"], (1 + 1.0 / 3 + 1.0 / 11) / 3);
}

}  // namespace
}  // namespace sherd
