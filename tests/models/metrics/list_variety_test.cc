#include "models/metrics/list_variety.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "models/metrics/full_ranking.h"

namespace sherd {
namespace {

using List = std::vector<RankedItem>;

// Of eight users in training one half has item 0, a quarter item 1, one has item 2, nobody items 3 to 9.
const ItemPopularity kPopularity = {{4, 2, 1, 0, 0, 0, 0, 0, 0, 0}, 8};
// Items 0 and 1 have one direction, 2 is at right angles to both, 3 is opposite to 0; 4 has no vector.
const std::vector<float> kVectors = {1, 0, 5, 0, 0, 2, -3, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

TEST(ListVarietyTest, FiguresByHand) {
  ListVariety variety({1, 3});
  variety.Add(List{{0, 9}, {1, 8}, {2, 7}}, kPopularity, {kVectors, 2});
  variety.Add(List{{0, 9}, {3, 8}}, kPopularity, {kVectors, 2});  // no third item is left
  std::map<std::string, double> figures;
  variety.AddFigures(2, &figures);
  EXPECT_DOUBLE_EQ(figures["coverage@1"], 0.1);
  EXPECT_DOUBLE_EQ(figures["coverage@3"], 0.4);
  EXPECT_DOUBLE_EQ(figures["novelty@1"], 1);
  EXPECT_DOUBLE_EQ(figures["novelty@3"], ((1 + 2 + 3) / 3.0 + (1 + 3) / 2.0) / 2);  // item 3 as if one had it
  EXPECT_DOUBLE_EQ(figures["popularity@1"], 0.5);
  EXPECT_DOUBLE_EQ(figures["popularity@3"], ((4 + 2 + 1) / 24.0 + (4 + 1) / 16.0) / 2);
  EXPECT_DOUBLE_EQ(figures["diversity@1"], 0);
  EXPECT_DOUBLE_EQ(figures["diversity@3"], ((0 + 1 + 1) / 3.0 + 2) / 2);
}

TEST(ListVarietyTest, AnItemWithoutAVectorIsLikeNothing) {
  ListVariety variety({3});
  variety.Add(List{{0, 9}, {4, 8}, {1, 7}}, kPopularity, {kVectors, 2});
  std::map<std::string, double> figures;
  variety.AddFigures(1, &figures);
  EXPECT_DOUBLE_EQ(figures["diversity@3"], (1 + 0 + 1) / 3.0);
}

TEST(ListVarietyTest, WithoutVectorsThereIsNoDiversity) {
  ListVariety variety({2});
  variety.Add(List{{0, 9}, {2, 8}}, kPopularity, {});
  std::map<std::string, double> figures;
  variety.AddFigures(1, &figures);
  EXPECT_THAT(figures, testing::SizeIs(3));
  EXPECT_FALSE(figures.contains("diversity@2"));
}

// As chunks' sums travel: an item that two chunks have in their lists is covered once.
TEST(ListVarietyTest, SumsOfPartsAreThoseOfTheWhole) {
  FullRankingQuality whole({2, 3}), part({2, 3}), sum({2, 3});
  for (std::uint32_t user = 0; user < 6; ++user) {
    const List list = {{user, 3}, {(user + 3) % 7, 2}, {9, 1}};
    for (FullRankingQuality* quality : {&whole, &part}) {
      quality->Add(std::vector<std::uint32_t>{0}, 1);
      quality->AddList(list, kPopularity, {kVectors, 2});
    }
    if (user % 2 == 0) continue;
    proto::EvalResult result;
    part.Save(&result);
    sum.Add(result);
    part.Clear();
  }
  EXPECT_THAT(whole.Figures(), testing::SizeIs(2 * (6 + 4)));
  EXPECT_DOUBLE_EQ(whole.Figures().at("coverage@2"), 0.7);
  for (const auto& [name, value] : whole.Figures()) EXPECT_DOUBLE_EQ(sum.Figures().at(name), value) << name;
}

}  // namespace
}  // namespace sherd
