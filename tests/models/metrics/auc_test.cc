#include "models/metrics/auc.h"

#include <gtest/gtest.h>

#include <map>

#include "base/hash.h"

namespace sherd {
namespace {

// Every pair, as the definition has it.
PairSums BruteForce(const std::vector<ScoredRow>& rows) {
  PairSums sums;
  for (const ScoredRow& p : rows) {
    for (const ScoredRow& n : rows) {
      if (!p.positive() || n.positive()) continue;
      const double pair = p.weight() * n.weight();
      sums.pairs += pair;
      sums.area += p.score > n.score ? pair : p.score == n.score ? pair / 2 : 0;
    }
  }
  return sums;
}

// Rows with many ties (`levels` different scores) and, if asked for, weights.
std::vector<ScoredRow> RandomRows(std::uint64_t seed, std::size_t n, std::uint64_t levels, bool weighted) {
  std::vector<ScoredRow> rows;
  for (std::size_t i = 0; i < n; ++i) {
    const float score = 0.37f * static_cast<float>(Below(Mix(seed, i, 1), levels)) - 3;
    const float weight = weighted ? UnitFloat(Mix(seed, i, 3)) * 4 : 1;
    rows.push_back(ScoredRow::Of(score, Below(Mix(seed, i, 2), 3) == 0, weight));
  }
  return rows;
}

TEST(ExactAuc, HandWorked) {
  // Pairs: (.8 > .1), (.8 > .4), (.35 > .1), (.35 < .4): three of four.
  std::vector<ScoredRow> rows = {ScoredRow::Of(.1f, false, 1), ScoredRow::Of(.4f, false, 1),
                                 ScoredRow::Of(.35f, true, 1), ScoredRow::Of(.8f, true, 1)};
  EXPECT_DOUBLE_EQ(*ExactAuc(rows).Auc(), 0.75);
  rows[0].signed_weight = -3;
  // Sorted now: the row at .1 weighs 3. (3 + 1 + 3 + 0) of 8.
  EXPECT_DOUBLE_EQ(*ExactAuc(rows).Auc(), 7.0 / 8);
}

TEST(ExactAuc, AllTiedIsAHalf) {
  std::vector<ScoredRow> rows(10, ScoredRow::Of(1, true, 1));
  rows.resize(25, ScoredRow::Of(1, false, 2));
  EXPECT_DOUBLE_EQ(*ExactAuc(rows).Auc(), 0.5);
}

TEST(ExactAuc, OneClassHasNone) {
  std::vector<ScoredRow> rows(3, ScoredRow::Of(1, true, 1));
  EXPECT_FALSE(ExactAuc(rows).Auc());
  rows.push_back(ScoredRow::Of(0, false, 0));  // a negative of no weight makes no pair
  EXPECT_FALSE(ExactAuc(rows).Auc());
  EXPECT_FALSE(ExactAuc({}).Auc());
}

TEST(ExactAuc, EqualsAllPairsWithTiesAndWeights) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    for (const bool weighted : {false, true}) {
      std::vector<ScoredRow> rows = RandomRows(seed, 40 + 13 * seed, 2 + seed * 3, weighted);
      const PairSums expected = BruteForce(rows);
      const PairSums actual = ExactAuc(rows);
      EXPECT_NEAR(actual.pairs, expected.pairs, 1e-9 * expected.pairs) << seed;
      EXPECT_NEAR(actual.area, expected.area, 1e-9 * expected.pairs) << seed;
    }
  }
}

TEST(GroupAuc, ComparesWithinGroupsOnly) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const std::vector<ScoredRow> rows = RandomRows(seed, 300, 9, seed % 2 == 1);
    std::vector<GroupedRow> grouped;
    std::map<std::uint64_t, std::vector<ScoredRow>> by_group;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::uint64_t group = ~Below(Mix(seed, i, 9), 12);  // few, large numbers
      grouped.push_back({group, rows[i]});
      by_group[group].push_back(rows[i]);
    }
    PairSums expected;
    double sum = 0, total = 0;
    for (const auto& [group, members] : by_group) {
      const PairSums pairs = BruteForce(members);
      expected.area += pairs.area;
      expected.pairs += pairs.pairs;
      if (pairs.pairs == 0) continue;
      for (const ScoredRow& row : members) {
        sum += row.weight() * pairs.area / pairs.pairs;
        total += row.weight();
      }
    }
    EXPECT_NEAR(*GroupAuc(grouped).Auc(), *expected.Auc(), 1e-9) << seed;
    EXPECT_NEAR(*MeanGroupAuc(grouped), sum / total, 1e-9) << seed;
  }
}

TEST(GroupAuc, EqualScoresOfNeighbouringGroupsAreNoTie) {
  std::vector<GroupedRow> rows = {{1, ScoredRow::Of(2, true, 1)},
                                  {1, ScoredRow::Of(1, false, 1)},
                                  {2, ScoredRow::Of(2, false, 1)},
                                  {2, ScoredRow::Of(3, true, 1)}};
  EXPECT_DOUBLE_EQ(*GroupAuc(rows).Auc(), 1);
}

TEST(GroupAuc, GroupsOfOneClassHaveNone) {
  std::vector<GroupedRow> rows = {{1, ScoredRow::Of(2, true, 1)}, {2, ScoredRow::Of(1, false, 1)}};
  EXPECT_FALSE(MeanGroupAuc(rows));
  rows.push_back({2, ScoredRow::Of(0, true, 1)});
  EXPECT_EQ(MeanGroupAuc(rows), 0);
}

TEST(SampledAuc, IsThatOfTheRowsRepeated) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    std::vector<ScoredRow> rows = RandomRows(seed, 200, 15, true), repeated;
    ExactAuc(rows);  // sorts
    std::vector<std::uint32_t> group, multiplicity = {0, 1, 3, 2};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      group.push_back(static_cast<std::uint32_t>(Below(Mix(seed, i, 4), 4)));
      repeated.insert(repeated.end(), multiplicity[group.back()], rows[i]);
    }
    EXPECT_NEAR(*SampledAuc(rows, group, multiplicity).Auc(), *BruteForce(repeated).Auc(), 1e-9) << seed;
  }
}

TEST(LogitHistogram, ExactValueLiesWithinItsBound) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    for (const std::size_t bins : {4u, 64u, 4096u}) {
      std::vector<ScoredRow> rows;
      LogitHistogram histogram(bins, 4);
      for (std::size_t i = 0; i < 500; ++i) {
        const float score = UnitFloat(Mix(seed, i, 1)) * 16 - 8;  // half of them beyond the limit
        rows.push_back(ScoredRow::Of(score, UnitFloat(Mix(seed, i, 2)) * 16 - 8 < score, 1));
        histogram.Add(rows.back());
      }
      const double exact = *ExactAuc(rows).Auc();
      const BoundedAuc bounded = histogram.Auc();
      EXPECT_LE(std::abs(*bounded.auc - exact), bounded.error + 1e-12) << seed << " " << bins;
      EXPECT_LT(bounded.error, 0.5);
    }
  }
}

TEST(LogitHistogram, TakesInfinity) {
  LogitHistogram histogram(16, 8);
  histogram.Add(ScoredRow::Of(INFINITY, true, 1));
  histogram.Add(ScoredRow::Of(-INFINITY, false, 1));
  histogram.Add(ScoredRow::Of(3e38f, true, 1));
  EXPECT_DOUBLE_EQ(*histogram.Auc().auc, 1);
}

}  // namespace
}  // namespace sherd
