#include <gmock/gmock.h>

#include <cmath>
#include <numeric>
#include <utility>

#include "base/hash.h"
#include "tests/worker/data/data_testing.h"
#include "worker/data/simulator/item_policy.h"
#include "worker/data/simulator/session_rows.h"
#include "worker/data/simulator/user_simulator.h"

namespace sherd {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::uint32_t kStates = UserSimulator::kStates, kItems = UserSimulator::kItems;

// A policy's values by its linear equations, (I - P) v = clicks, by Gauss and Jordan's elimination.
std::vector<double> SolvedValues(const UserSimulator& simulator, const ItemPolicy& policy) {
  std::vector<std::vector<double>> rows(kStates, std::vector<double>(kStates + 1, 0));
  for (std::uint32_t s = 0; s < kStates; ++s) {
    rows[s][s] = 1;
    for (std::uint32_t item = 0; item < kItems; ++item) {
      const double p = policy[s * kItems + item];
      rows[s][kStates] += p * simulator.ClickProbability(s, item);
      for (const auto& next : simulator.NextStates(s, item)) rows[s][next.state] -= p * next.probability;
    }
  }
  for (std::uint32_t i = 0; i < kStates; ++i) {  // pivots are there: each row's diagonal outweighs the rest
    for (std::uint32_t s = 0; s < kStates; ++s) {
      const double factor = rows[s][i] / rows[i][i];
      for (std::uint32_t c = i; s != i && c <= kStates; ++c) rows[s][c] -= factor * rows[i][c];
    }
  }
  std::vector<double> values;
  for (std::uint32_t s = 0; s < kStates; ++s) values.push_back(rows[s][kStates] / rows[s][s]);
  return values;
}

double Sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

TEST(UserSimulatorTest, ProbabilitiesAreProbabilities) {
  const UserSimulator simulator(1);
  for (std::uint32_t state = 0; state < kStates; ++state) {
    for (std::uint32_t item = 0; item < kItems; ++item) {
      const double click = simulator.ClickProbability(state, item);
      EXPECT_TRUE(click >= 0 && click <= 1) << click;
      double stays = 0;
      for (const auto& next : simulator.NextStates(state, item)) {
        EXPECT_GE(next.probability, 0);
        stays += next.probability;
      }
      EXPECT_LE(stays, .92 + 1e-12) << "one user in twelve leaves, at least, so that sessions end";
    }
  }
}

TEST(ItemPolicyTest, ValuesSolveTheLinearEquations) {
  const UserSimulator simulator(3);
  for (const ItemPolicy& policy : {RandomPolicy(), GreedyPolicy(simulator), Explore(BestPolicy(simulator), .3)}) {
    const std::vector<double> values = ValuesOf(simulator, policy), solved = SolvedValues(simulator, policy);
    for (std::uint32_t state = 0; state < kStates; ++state) EXPECT_NEAR(values[state], solved[state], 1e-10);
  }
}

// Each policy that differs in one state is tried. Where none is better no policy is: one that is better in any state
// could be reached by single changes none of which is for the worse (Howard 1960).
TEST(ItemPolicyTest, NoOtherItemInAnyStateIsBetterThanTheBestPolicys) {
  const UserSimulator simulator(2);
  const ItemPolicy best = BestPolicy(simulator);
  const std::vector<double> values = SolvedValues(simulator, best);
  int worse = 0;
  for (std::uint32_t state = 0; state < kStates; ++state) {
    for (std::uint32_t item = 0; item < kItems; ++item) {
      ItemPolicy other = best;
      std::fill_n(&other[state * kItems], kItems, 0);
      other[state * kItems + item] = 1;
      const double change = Sum(ValuesOf(simulator, other)) - Sum(values);
      EXPECT_LE(change, 1e-9) << "item " << item << " in state " << state;
      if (change < -1e-9) ++worse;
    }
  }
  EXPECT_EQ(worse, kStates * (kItems - 1)) << "all other items are worse, so that the best policy is one";
}

TEST(ItemPolicyTest, PlanningPaysForAllSeeds) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const UserSimulator simulator(seed);
    const double best = ReturnOf(simulator, BestPolicy(simulator));
    EXPECT_LT(ReturnOf(simulator, GreedyPolicy(simulator)), .5 * best) << seed;
    EXPECT_LT(ReturnOf(simulator, RandomPolicy()), .5 * best) << seed;
  }
}

TEST(ItemPolicyTest, PoliciesOfScores) {
  std::vector<double> scores(kStates * kItems, 0);
  scores[7] = 1;
  scores[kItems + 3] = -1e9;
  const ItemPolicy highest = HighestScore(scores), soft = SoftmaxPolicy(scores), mixed = Explore(highest, .4);
  EXPECT_EQ(highest[7], 1);
  EXPECT_EQ(highest[6], 0);
  EXPECT_EQ(highest[kItems], 1) << "the first of equal ones";
  EXPECT_DOUBLE_EQ(soft[7], std::exp(1) / (std::exp(1) + kItems - 1));
  EXPECT_EQ(soft[kItems + 3], 0);
  EXPECT_DOUBLE_EQ(mixed[7], .6 + .4 / kItems);
  EXPECT_DOUBLE_EQ(mixed[6], .4 / kItems);
}

std::string SessionText(std::uint64_t seed, std::uint64_t first, std::uint64_t count) {
  return PlaySessions(UserSimulator(seed), RandomPolicy(), seed, first, count).text;
}

TEST(SessionRowsTest, AreAFunctionOfSeedAndNumber) {
  const std::string all = SessionText(1, 0, 100), tail = SessionText(1, 60, 40);
  EXPECT_THAT(all, StartsWith("state,item,propensity,click,return,next_state,stays,items\n"));
  EXPECT_EQ(HashBytes(all), 9351360256819456176u) << "other bits than ever";
  const std::string rows = tail.substr(tail.find('\n') + 1);
  EXPECT_EQ(all.substr(all.size() - rows.size()), rows);
  EXPECT_NE(SessionText(2, 0, 100), all);
}

// Rows are consistent with one another, and their mean return is that of the policy.
TEST(SessionRowsTest, HaveTheReturnThatThePolicyIsWorth) {
  constexpr std::uint64_t kSessions = 20'000;
  const std::string text = SessionText(1, 0, kSessions);
  double sum = 0, squares = 0, clicks = 0, expected_return = 0;
  std::string next_state;
  std::size_t begin = text.find('\n') + 1, sessions = 0;
  for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    std::vector<std::string> cells;
    for (std::size_t at = begin; at <= end;) {
      const std::size_t comma = std::min(text.find(',', at), end);
      cells.push_back(text.substr(at, comma - at));
      at = comma + 1;
    }
    ASSERT_EQ(cells.size(), 8u);
    const double click = std::stod(cells[3]), to_come = std::stod(cells[4]);
    ASSERT_EQ(cells[2], "0.08333333333333333");
    if (next_state.empty()) {  // a session begins
      sum += to_come;
      squares += to_come * to_come;
      ++sessions;
    } else {
      ASSERT_EQ(cells[0], next_state);
      ASSERT_EQ(to_come, expected_return);
    }
    next_state = cells[5];
    expected_return = to_come - click;
    clicks += click;
    ASSERT_EQ(cells[6], next_state.empty() ? "0" : "1");
  }
  ASSERT_EQ(sessions, kSessions);
  EXPECT_EQ(clicks, sum);
  const double mean = sum / kSessions, error = std::sqrt((squares / kSessions - mean * mean) / kSessions);
  EXPECT_NEAR(mean, ReturnOf(UserSimulator(1), RandomPolicy()), 4 * error);
}

TEST(SessionRowsTest, ScoresAreThoseOfAllChoices) {
  const TemporaryFolder folder;
  const std::string text = AllChoices();
  EXPECT_EQ(std::ranges::count(text, '\n'), 1 + kStates * kItems);
  EXPECT_THAT(text, HasSubstr("\n0 4 9 12,0,1,0,0,,0,\n0 4 9 12,1,1,0,0,,0,\n"));
  std::string lines;
  for (std::uint32_t i = 0; i < kStates * kItems; ++i) lines += std::to_string(i) + ".5\n";
  const auto read = ReadScores(folder.Write("scores.txt", lines));
  ASSERT_TRUE(read.ok()) << read.status().text();
  EXPECT_EQ((*read)[17], 17.5);
  EXPECT_THAT(ReadScores(folder.Write("scores.txt", lines + "1\n")).status().text(),
              HasSubstr("721 lines, and predictions of the choices are 720"));
  EXPECT_THAT(ReadScores(folder.Write("scores.txt", "1\n\n")).status().text(),
              HasSubstr("scores.txt:2: a number expected, got \"\""));
  EXPECT_EQ(ReadScores(folder.path() + "/none").status().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sherd
