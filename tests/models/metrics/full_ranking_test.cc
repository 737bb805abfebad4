#include "models/metrics/full_ranking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "base/hash.h"
#include "models/metrics/top_items.h"

namespace sherd {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

// Two users by hand. The first has 3 items, found at places 1 and 4 (from 1); the second 1 item, found at place 3.
TEST(FullRankingQualityTest, FiguresByHand) {
  FullRankingQuality quality({2, 5});
  quality.Add(std::vector<std::uint32_t>{0, 3}, 3);
  quality.Add(std::vector<std::uint32_t>{2}, 1);
  auto figures = quality.Figures();
  EXPECT_DOUBLE_EQ(figures["recall@2"], (1.0 / 3) / 2);
  EXPECT_DOUBLE_EQ(figures["precision@2"], 0.5 / 2);
  EXPECT_DOUBLE_EQ(figures["hr@2"], 0.5);
  EXPECT_DOUBLE_EQ(figures["ndcg@2"], 1 / (1 + 1 / std::log2(3.0)) / 2);
  EXPECT_DOUBLE_EQ(figures["mrr@2"], 0.5);
  EXPECT_DOUBLE_EQ(figures["map@2"], 0.5 / 2);
  EXPECT_DOUBLE_EQ(figures["recall@5"], (2.0 / 3 + 1) / 2);
  EXPECT_DOUBLE_EQ(figures["precision@5"], (2.0 / 5 + 1.0 / 5) / 2);
  EXPECT_DOUBLE_EQ(figures["hr@5"], 1);
  EXPECT_NEAR(figures["ndcg@5"], ((1 + 1 / std::log2(5.0)) / (1 + 1 / std::log2(3.0) + 0.5) + 0.5) / 2, 1e-15);
  EXPECT_DOUBLE_EQ(figures["mrr@5"], (1 + 1.0 / 3) / 2);
  EXPECT_DOUBLE_EQ(figures["map@5"], ((1 + 2.0 / 4) / 3 + 1.0 / 3) / 2);
}

TEST(FullRankingQualityTest, SumsOfPartsAreThoseOfTheWhole) {
  FullRankingQuality whole({1, 3}), part({1, 3}), sum({1, 3});
  for (std::uint32_t user = 0; user < 6; ++user) {
    const std::vector<std::uint32_t> hits = {user % 3};
    whole.Add(hits, 1 + user);
    part.Add(hits, 1 + user);
    if (user % 2 == 0) continue;
    proto::EvalResult result;
    part.Save(&result);
    sum.Add(result);
    part.Clear();
  }
  EXPECT_EQ(sum.users(), 6u);
  EXPECT_THAT(sum.Figures(), Not(IsEmpty()));
  for (const auto& [name, value] : whole.Figures()) EXPECT_DOUBLE_EQ(sum.Figures()[name], value) << name;
}

TEST(FullRankingQualityTest, NothingIsKnownOfNoUsers) { EXPECT_THAT(FullRankingQuality({10}).Figures(), IsEmpty()); }

TEST(FullRankingQualityTest, EachPlaceIsNamedOnce) {
  proto::Evaluation evaluation;
  evaluation.set_at(20);
  for (const int at : {50, 20, 5}) evaluation.mutable_full_ranking()->add_also_at(at);
  EXPECT_EQ(FullRankingQuality::PlacesOf(evaluation), (std::vector<std::uint32_t>{5, 20, 50}));
}

// By sorting all.
std::vector<RankedItem> Sorted(const std::vector<float>& scores, std::size_t k) {
  std::vector<RankedItem> all;
  for (std::uint32_t i = 0; i < scores.size(); ++i) {
    if (scores[i] > -std::numeric_limits<float>::infinity()) all.push_back({i, scores[i]});
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  all.resize(std::min(k, all.size()));
  return all;
}

TEST(TopItemsTest, AgreesWithSortingInBlocksOfAnySize) {
  for (const std::size_t k : {1u, 7u, 100u, 1000u}) {
    TopItems top(static_cast<std::uint32_t>(k));
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      std::vector<float> scores;
      for (std::uint64_t i = 0; i < 300; ++i) {
        scores.push_back(static_cast<float>(Below(Mix(seed, i), 40)));  // many ties
        if (Below(Mix(seed, i, 1), 5) == 0) scores.back() = -std::numeric_limits<float>::infinity();
        if (Below(Mix(seed, i, 2), 50) == 0) scores.back() = std::numeric_limits<float>::quiet_NaN();
      }
      for (std::size_t first = 0; first < scores.size();) {
        const std::size_t count = std::min<std::size_t>(scores.size() - first, 1 + Below(Mix(seed, first, 3), 90));
        top.Offer(static_cast<std::uint32_t>(first), std::span(scores).subspan(first, count));
        first += count;
      }
      const auto list = top.Take();
      EXPECT_EQ(std::vector<RankedItem>(list.begin(), list.end()), Sorted(scores, k)) << k << " " << seed;
    }
  }
}

}  // namespace
}  // namespace sherd
