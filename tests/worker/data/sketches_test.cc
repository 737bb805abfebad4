#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/worker/data/data_testing.h"
#include "worker/data/distinct_counter.h"
#include "worker/data/frequent_tokens.h"
#include "worker/data/quantile_sketch.h"

namespace sherd {
namespace {

TEST(DistinctCounterTest, IsWithinItsErrorFromNothingToMillions) {
  EXPECT_EQ(DistinctCounter().Estimate(), 0);
  for (const std::uint64_t distinct : {1ull, 2ull, 10ull, 100ull, 1000ull, 20'000ull, 100'000ull, 3'000'000ull}) {
    double worst = 0;
    for (std::uint64_t trial = 0; trial < 5; ++trial) {
      DistinctCounter counter;
      for (std::uint64_t i = 0; i < distinct; ++i) counter.Add(Mix(i, trial));
      worst = std::max(worst, std::abs(counter.Estimate() / static_cast<double>(distinct) - 1));
    }
    EXPECT_LT(worst, 3 * DistinctCounter::kStandardError) << distinct;
  }
}

TEST(DistinctCounterTest, RepetitionAndOrderAndMergingDoNotMatter) {
  DistinctCounter all, evens, odds;
  for (std::uint64_t i = 0; i < 50'000; ++i) {
    all.Add(Mix(i));
    (i % 2 == 0 ? evens : odds).Add(Mix(i));
  }
  for (std::uint64_t i = 50'000; i-- > 0;) evens.Add(Mix(i % 10'000 * 2));
  odds.Merge(evens);
  EXPECT_EQ(odds.Save(), all.Save());
  DistinctCounter restored;
  ASSERT_TRUE(restored.Restore(all.Save()));
  EXPECT_EQ(restored.Estimate(), all.Estimate());
  EXPECT_FALSE(restored.Restore("short"));
  EXPECT_FALSE(restored.Restore(std::string(all.Save().size(), '\x7f')));
}

// By how much of the count the sketch's edges are off, at worst.
double WorstRankError(const QuantileSketch& sketch, std::vector<double> values, std::uint32_t quantiles) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double worst = 0;
  const auto sorted = sketch.Sorted();
  std::uint64_t behind = 0;
  for (const auto& [value, weight] : sorted) {
    behind += weight;
    const auto below = std::lower_bound(values.begin(), values.end(), value) - values.begin();
    const auto upto = std::upper_bound(values.begin(), values.end(), value) - values.begin();
    const double rank = static_cast<double>(behind);
    worst = std::max({worst, (static_cast<double>(below) - rank) / n, (rank - static_cast<double>(upto)) / n});
  }
  EXPECT_EQ(behind, values.size());
  EXPECT_LE(QuantileEdges(sketch, quantiles).size(), quantiles - 1);
  return worst;
}

TEST(QuantileSketchTest, RanksAreWithinTheStatedError) {
  for (const std::uint32_t trial : {1u, 2u, 3u}) {
    TestRandom random(trial);
    std::vector<double> values;
    QuantileSketch sketch;
    for (int i = 0; i < 1'000'000; ++i) {
      const double value = trial == 1   ? random.Next(1u << 31) * 0.37
                           : trial == 2 ? -std::exp(random.Next(1000) / 50.0) * random.Next(1000)
                                        : i * 1.5;  // ascending
      values.push_back(value);
      sketch.Add(value);
    }
    EXPECT_LT(WorstRankError(sketch, values, 100), 1.5 * QuantileSketch::kRankError) << trial;
    std::size_t kept = 0;
    for (const auto& level : sketch.levels()) kept += level.size();
    EXPECT_LT(kept, 3.2 * QuantileSketch::kWidth);
  }
}

TEST(QuantileSketchTest, FewValuesAndSmallIntegersAreExact) {
  TestRandom random(4);
  std::vector<double> values;
  QuantileSketch sketch;
  for (int i = 0; i < 200'000; ++i) values.push_back(random.Next(1024));
  for (int i = 0; i < 4000; ++i) values.push_back(-0.5 * random.Next(100'000));
  for (const double value : values) sketch.Add(value);
  std::sort(values.begin(), values.end());
  std::vector<double> edges;
  for (std::uint64_t i = 1; i < 50; ++i) {
    const double edge = values[i * values.size() / 50];
    if (edge > (edges.empty() ? values[0] : edges.back())) edges.push_back(edge);
  }
  EXPECT_EQ(QuantileEdges(sketch, 50), edges);
  EXPECT_TRUE(QuantileEdges(QuantileSketch(), 50).empty());
}

TEST(QuantileSketchTest, MergedSketchesAreAsGoodAndAlwaysTheSame) {
  TestRandom random(5);
  std::vector<double> values;
  std::vector<QuantileSketch> parts(40);
  for (int i = 0; i < 800'000; ++i) {
    values.push_back(random.Next(1u << 30) * 0.01 + i * 0.1);
    parts[i / 20'000].Add(values.back());
  }
  QuantileSketch merged, again;
  for (const QuantileSketch& part : parts) merged.Merge(part);
  for (const QuantileSketch& part : parts) again.Merge(part);
  EXPECT_LT(WorstRankError(merged, values, 1000), 1.5 * QuantileSketch::kRankError);
  EXPECT_EQ(merged.Sorted(), again.Sorted());
  QuantileSketch restored;
  ASSERT_TRUE(restored.Restore(merged.small(), merged.levels(), merged.compactions()));
  EXPECT_EQ(restored.Sorted(), merged.Sorted());
  EXPECT_EQ(restored.count(), merged.count());
  EXPECT_FALSE(restored.Restore({}, {{}}, 0));
}

// A token of Zipf's law over so many.
std::string ZipfToken(TestRandom* random, double tokens) {
  return "t" + std::to_string(static_cast<std::uint64_t>(std::pow(tokens, random->Next(1u << 30) / double{1u << 30})));
}

void ExpectWithinBound(const FrequentTokens& frequent, const std::map<std::string, std::uint64_t>& truth,
                       std::uint64_t all) {
  EXPECT_LE(frequent.error(), 2 * all / FrequentTokens::kCounters);
  std::map<std::string, std::uint64_t> found;
  for (const auto& counter : frequent.Top()) found[std::string(counter.text())] = counter.count;
  for (const auto& [token, count] : truth) {
    const auto it = found.find(token);
    const std::uint64_t said = it == found.end() ? 0 : it->second;
    EXPECT_LE(said, count) << token;
    EXPECT_GE(said + frequent.error(), count) << token;
  }
}

TEST(FrequentTokensTest, CountsAreWithinTheBoundAlsoMerged) {
  TestRandom random(6);
  std::map<std::string, std::uint64_t> truth;
  FrequentTokens one;
  std::vector<FrequentTokens> parts(10);
  for (int i = 0; i < 300'000; ++i) {
    const std::string token = ZipfToken(&random, 1e5);
    ++truth[token];
    one.Add(HashBytes(token), token);
    parts[i % 10].Add(HashBytes(token), token);
  }
  ExpectWithinBound(one, truth, 300'000);
  FrequentTokens merged;
  for (const FrequentTokens& part : parts) merged.Merge(part);
  ExpectWithinBound(merged, truth, 300'000);
  EXPECT_EQ(merged.Top(3)[0].text(), "t1");
  FrequentTokens restored;
  ASSERT_TRUE(restored.Restore(merged.Top(), merged.error()));
  ExpectWithinBound(restored, truth, 300'000);
}

TEST(FrequentTokensTest, FewTokensAreCountedExactly) {
  FrequentTokens frequent;
  for (int i = 0; i < 10'000; ++i) {
    const std::string token = std::to_string(i % 100 * (i % 2));
    frequent.Add(HashBytes(token), token);
  }
  EXPECT_EQ(frequent.error(), 0u);
  EXPECT_EQ(frequent.Top(1)[0].text(), "0");
  EXPECT_EQ(frequent.Top(1)[0].count, 5000u);
  EXPECT_EQ(frequent.Top().size(), 51u);
}

TEST(FrequentTokensTest, LongTextsAreCutBetweenCharacters) {
  FrequentTokens frequent;
  const std::string token = std::string(30, 'a') + "\xc3\xa4" + "b";  // the 31st byte begins a character of two
  frequent.Add(1, token);
  EXPECT_EQ(frequent.Top(1)[0].text(), std::string(30, 'a'));
}

}  // namespace
}  // namespace sherd
