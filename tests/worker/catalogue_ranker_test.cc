#include "worker/catalogue_ranker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <set>

#include "base/hash.h"
#include "worker/ranked_lists.h"

namespace sherd {
namespace {

constexpr std::uint32_t kUsers = 70, kItems = 9000, kDim = 3;

// Small whole numbers: their products are exact in any order of summation, and there are many ties.
float Element(std::uint64_t seed, std::uint64_t row, std::uint64_t d) {
  return static_cast<float>(Below(Mix(seed, row, d), 9)) - 4;
}

struct Case {
  std::vector<std::vector<std::uint32_t>> seen, relevant;  // by user
  std::vector<float> users, items;

  Case() : seen(kUsers), relevant(kUsers) {
    for (std::uint32_t user = 0; user < kUsers; ++user) {
      for (std::uint32_t item = 0; item < kItems; ++item) {
        const std::uint64_t draw = Below(Mix(user, item, 7), 100);
        if (draw < 30) seen[user].push_back(item);
        if (draw == 50 && relevant[user].size() < 40) relevant[user].push_back(item);
      }
      for (std::uint32_t d = 0; d < kDim; ++d) users.push_back(Element(1, user, d));
    }
    for (std::uint32_t item = 0; item < kItems; ++item) {
      for (std::uint32_t d = 0; d < kDim; ++d) items.push_back(Element(2, item, d));
    }
  }

  float Score(std::uint32_t user, std::uint32_t item) const {
    return std::inner_product(&users[user * kDim], &users[user * kDim] + kDim, &items[item * kDim], 0.0f);
  }
  void AddLists(std::uint32_t user, RankingPart* part) const {
    part->seen.insert(part->seen.end(), seen[user].begin(), seen[user].end());
    part->relevant.insert(part->relevant.end(), relevant[user].begin(), relevant[user].end());
    part->seen_end.push_back(static_cast<std::uint32_t>(part->seen.size()));
    part->relevant_end.push_back(static_cast<std::uint32_t>(part->relevant.size()));
  }
  // By sorting all of a user's items.
  FullRankingQuality BruteForce(const std::vector<std::uint32_t>& at, std::uint32_t users_count) const {
    FullRankingQuality quality(at);
    for (std::uint32_t user = 0; user < users_count; ++user) {
      std::vector<std::uint32_t> order;
      for (std::uint32_t item = 0; item < kItems; ++item) {
        if (!std::binary_search(seen[user].begin(), seen[user].end(), item)) order.push_back(item);
      }
      std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return Score(user, a) > Score(user, b); });
      std::vector<std::uint32_t> hits;
      for (std::uint32_t place = 0; place < order.size(); ++place) {
        if (std::binary_search(relevant[user].begin(), relevant[user].end(), order[place])) hits.push_back(place);
      }
      quality.Add(hits, relevant[user].size());
    }
    return quality;
  }
};

void ExpectSame(const FullRankingQuality& a, const FullRankingQuality& b) {
  EXPECT_EQ(a.users(), b.users());
  EXPECT_GT(a.Figures().at("recall@1000"), 0.05);
  EXPECT_EQ(a.Figures(), b.Figures());
}

TEST(CatalogueRankerTest, VectorsAreRankedAsBySorting) {
  const Case data;
  const std::vector<std::uint32_t> at = {5, 50, 1000, 20000};
  ListJudge judge(at);
  CatalogueRanker ranker(at.back(), &judge);
  for (int chunk = 0; chunk < 2; ++chunk) {  // the second finds nothing of the first
    judge.Clear();
    RankingPart part;
    for (std::uint32_t first = 0; first < kItems; first += 2048) {
      const std::uint32_t count = std::min(2048u, kItems - first);
      part.Begin(RankingPart::Kind::kItems, kItems, first);
      ranker.Add(part, count, std::span(data.items).subspan(first * kDim, count * kDim));
    }
    part.Begin(RankingPart::Kind::kUsers, kItems, 0);
    for (std::uint32_t user = 0; user < kUsers; ++user) data.AddLists(user, &part);
    ranker.Add(part, kUsers, data.users);
    ExpectSame(judge.quality(), data.BruteForce(at, kUsers));
  }
}

TEST(CatalogueRankerTest, PairsAreRankedAsBySortingHoweverTheyAreCut) {
  const Case data;
  const std::vector<std::uint32_t> at = {5, 50, 1000};
  constexpr std::uint32_t kRanked = 12;
  for (const std::uint32_t rows : {1000u, 20000u}) {
    ListJudge judge(at);
    CatalogueRanker ranker(at.back(), &judge);
    // What is left of a chunk that was broken off does no harm.
    RankingPart part;
    part.Begin(RankingPart::Kind::kPairs, kItems, 0);
    ranker.Add(part, 10, std::vector<float>(10, 100.0f));
    for (std::uint32_t first = 0; first < kRanked * kItems; first += rows) {
      std::vector<float> scores;
      part.Begin(RankingPart::Kind::kPairs, kItems, first % kItems);
      for (std::uint32_t pair = first; pair < std::min(first + rows, kRanked * kItems); ++pair) {
        scores.push_back(data.Score(pair / kItems, pair % kItems));
        if (pair % kItems == kItems - 1) data.AddLists(pair / kItems, &part);
      }
      ranker.Add(part, static_cast<std::uint32_t>(scores.size()), scores);
    }
    ExpectSame(judge.quality(), data.BruteForce(at, kRanked));
  }
}

// By the cosine: long vectors have no advantage, and one of zeros is like nothing. What is barred is in no list.
TEST(CatalogueRankerTest, ItemsThatAreAlike) {
  const std::vector<float> items = {1, 0, 10, 1, 0, 3, -1, 0, 0, 0, 2, 0};  // six vectors of two
  ListCollector lists{proto::Recommend()};
  CatalogueRanker ranker(10, &lists);
  RankingPart part;
  part.Begin(RankingPart::Kind::kItems, 6, 0);
  ranker.Add(part, 6, items);
  part.Begin(RankingPart::Kind::kAlike, 6, 0);
  part.barred = std::make_shared<const std::vector<std::uint32_t>>(std::vector<std::uint32_t>{5});
  part.seen = {0, 2};
  part.seen_end = {1, 2};
  part.relevant_end = {0, 0};
  ranker.Add(part, 2, std::vector<float>{1, 0, 0, 3});
  EXPECT_THAT(lists.lengths, ::testing::ElementsAre(4, 4));
  EXPECT_THAT(lists.items, ::testing::ElementsAre(1, 2, 4, 3, 1, 0, 3, 4));
  EXPECT_THAT(lists.scores,
              ::testing::Pointwise(::testing::FloatEq(), std::vector<float>{10 / std::sqrt(101.0f), 0, 0, -1,
                                                                            1 / std::sqrt(101.0f), 0, 0, 0}));
}

}  // namespace
}  // namespace sherd
