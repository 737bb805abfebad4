#include "models/metrics/diverse_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/hash.h"

namespace sherd {
namespace {

using testing::ElementsAre;
using List = std::vector<RankedItem>;

List Choose(double lambda, std::uint32_t at, const List& list, const std::vector<float>& vectors, std::size_t dim) {
  proto::Mmr mmr;
  mmr.set_lambda(lambda);
  DiverseList diverse(mmr, at);
  const auto chosen = diverse.Choose(list, {vectors, dim});
  return {chosen.begin(), chosen.end()};
}

// Items 0 and 1 are alike, 2 is at right angles to both.
TEST(DiverseListTest, ByHand) {
  const std::vector<float> vectors = {1, 0, 3, 0, 0, 1};
  const List list = {{0, 10}, {1, 9}, {2, 0}};  // scaled: 1, .9, 0
  EXPECT_THAT(Choose(1, 3, list, vectors, 2), ElementsAre(list[0], list[1], list[2]));
  // Second place: item 1 has .6 * .9 - .4 * 1 = .14, item 2 has 0.
  EXPECT_THAT(Choose(0.6, 2, list, vectors, 2), ElementsAre(list[0], list[1]));
  // .5 * .9 - .5 < 0
  EXPECT_THAT(Choose(0.5, 2, list, vectors, 2), ElementsAre(list[0], list[2]));
  EXPECT_THAT(Choose(0, 3, list, vectors, 2), ElementsAre(list[0], list[2], list[1]));
}

TEST(DiverseListTest, ListsOfOneScoreOrOfNothing) {
  const std::vector<float> vectors = {1, 0, 1, 0, 0, 0};
  const List list = {{0, 5}, {1, 5}, {2, 5}};
  EXPECT_THAT(Choose(0.5, 2, list, vectors, 2), ElementsAre(list[0], list[2])) << "no vector is like nothing";
  EXPECT_THAT(Choose(0.5, 9, list, vectors, 2), testing::SizeIs(3));
  EXPECT_THAT(Choose(0.5, 2, {}, vectors, 2), testing::IsEmpty());
}

// The definition, written out, on random lists.
TEST(DiverseListTest, EachPlaceHasTheLargestMarginalRelevance) {
  constexpr std::uint32_t kItems = 30, kDim = 3, kAt = 12;
  constexpr double kLambda = 0.4;
  std::vector<float> vectors;
  for (std::uint32_t i = 0; i < kItems * kDim; ++i) vectors.push_back(UnitFloat(Mix(1, i)) - 0.5f);
  List list;
  for (std::uint32_t i = 0; i < kItems; ++i) list.push_back({i, UnitFloat(Mix(2, i))});
  std::sort(list.begin(), list.end(), [](auto& a, auto& b) { return a.score > b.score; });
  const List chosen = Choose(kLambda, kAt, list, vectors, kDim);
  ASSERT_EQ(chosen.size(), kAt);
  EXPECT_EQ(chosen[0], list[0]);
  const auto cosine = [&](std::uint32_t a, std::uint32_t b) {
    double dot = 0, aa = 0, bb = 0;
    for (std::uint32_t d = 0; d < kDim; ++d) {
      dot += vectors[a * kDim + d] * vectors[b * kDim + d];
      aa += vectors[a * kDim + d] * vectors[a * kDim + d];
      bb += vectors[b * kDim + d] * vectors[b * kDim + d];
    }
    return dot / std::sqrt(aa * bb);
  };
  for (std::uint32_t place = 1; place < kAt; ++place) {
    const auto relevance = [&](const RankedItem& item) {
      double alike = -1;
      for (std::uint32_t above = 0; above < place; ++above) {
        alike = std::max(alike, cosine(item.item, chosen[above].item));
      }
      const double scaled = (item.score - list.back().score) / (list.front().score - list.back().score);
      return kLambda * scaled - (1 - kLambda) * alike;
    };
    for (const RankedItem& other : list) {
      if (std::find(chosen.begin(), chosen.begin() + place, other) != chosen.begin() + place) continue;
      EXPECT_GE(relevance(chosen[place]), relevance(other) - 1e-6) << place;
    }
  }
}

}  // namespace
}  // namespace sherd
