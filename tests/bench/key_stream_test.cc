#include "bench/key_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace sherd::bench {
namespace {

constexpr int kDraws = 200'000;

// The chance of each rank, by summing up what the definition says.
std::vector<double> Chances(std::uint64_t ranks, double exponent) {
  std::vector<double> chances;
  double sum = 0;
  for (std::uint64_t rank = 1; rank <= ranks; ++rank) {
    chances.push_back(std::pow(static_cast<double>(rank), -exponent));
    sum += chances.back();
  }
  for (double& chance : chances) chance /= sum;
  return chances;
}

TEST(ZipfRanks, ComeAsOftenAsTheLawSays) {
  constexpr std::uint64_t kRanks = 1000;
  for (const double exponent : {1.05, 1.5, 3.0}) {
    const ZipfRanks ranks(kRanks, exponent);
    std::vector<int> counts(kRanks);
    for (int i = 0; i < kDraws; ++i) {
      const std::uint64_t rank = ranks.At(Mix(i, 1));
      ASSERT_GE(rank, 1u);
      ASSERT_LE(rank, kRanks);
      ++counts[rank - 1];
    }
    const std::vector<double> chances = Chances(kRanks, exponent);
    for (std::size_t i = 0; i < kRanks; ++i) {
      const double expected = chances[i] * kDraws;
      EXPECT_NEAR(counts[i], expected, 5 * std::sqrt(expected) + 5) << "rank " << i + 1 << ", exponent " << exponent;
    }
  }
}

TEST(RowDraws, OfZipfScatterTheFrequentRows) {
  const RowDraws draws(Draw::kZipf, 1000, 11'000);
  std::map<std::uint64_t, int> counts;
  for (int i = 0; i < kDraws; ++i) ++counts[draws.At(Mix(i, 2))];
  EXPECT_GE(counts.begin()->first, 1000u);
  EXPECT_LT(counts.rbegin()->first, 11'000u);
  // The hundred most frequent: as likely in either half of the rows.
  std::vector<std::pair<int, std::uint64_t>> frequent;
  for (const auto& [row, count] : counts) frequent.emplace_back(count, row);
  std::sort(frequent.rbegin(), frequent.rend());
  int low = 0;
  for (int i = 0; i < 100; ++i) low += frequent[i].second < 6000 ? 1 : 0;
  EXPECT_GT(low, 30);
  EXPECT_LT(low, 70);
}

TEST(DrawBatches, HaveDistinctKeysOfTheirRows) {
  for (const Draw draw : {Draw::kUniform, Draw::kZipf}) {
    for (const KeyBatch& batch : DrawBatches({draw, 0, 4000}, 3, BatchSize(4000, 65'536), 100)) {
      EXPECT_EQ(batch.keys.size(), 1000u);
      EXPECT_EQ(std::set<Key>(batch.keys.begin(), batch.keys.end()).size(), batch.keys.size());
      for (std::size_t i = 0; i < batch.keys.size(); ++i) {
        EXPECT_EQ(batch.keys[i], KeyOf(batch.rows[i]));
        EXPECT_LT(batch.lines[i], 100u);
      }
    }
  }
}

}  // namespace
}  // namespace sherd::bench
