#include "worker/data/simulator/item_policy.h"

#include <algorithm>
#include <cmath>

namespace sherd {
namespace {

constexpr std::uint32_t kStates = UserSimulator::kStates, kItems = UserSimulator::kItems;
constexpr double kEnough = 1e-14;  // of a sweep's changes: values are within 12 times as much, as one user in 12 leaves

using Values = std::vector<double>;

double WorthOf(const UserSimulator& simulator, std::uint32_t state, std::uint32_t item, const Values& values) {
  double worth = simulator.ClickProbability(state, item);
  for (const auto& [next, probability] : simulator.NextStates(state, item)) worth += probability * values[next];
  return worth;
}

// The fixed point of a sweep, a function from all states' values to a state's new one.
template <typename ValueOf>
Values Iterate(const ValueOf& value_of) {
  Values values(kStates, 0), next(kStates);
  for (double change = 1; change > kEnough * values[0];) {
    change = 0;
    for (std::uint32_t state = 0; state < kStates; ++state) {
      next[state] = value_of(state, values);
      change = std::max(change, std::fabs(next[state] - values[state]));
    }
    values.swap(next);
  }
  return values;
}

// The item with the largest worth(item), the first of several.
template <typename Worth>
std::uint32_t Best(const Worth& worth) {
  std::uint32_t best = 0;
  for (std::uint32_t item = 1; item < kItems; ++item) {
    if (worth(item) > worth(best)) best = item;
  }
  return best;
}

// worth(state, item)
template <typename Worth>
ItemPolicy ShowBest(const Worth& worth) {
  ItemPolicy policy(kStates * kItems, 0);
  for (std::uint32_t state = 0; state < kStates; ++state) {
    policy[state * kItems + Best([&](std::uint32_t item) { return worth(state, item); })] = 1;
  }
  return policy;
}

}  // namespace

ItemPolicy RandomPolicy() { return ItemPolicy(kStates * kItems, 1.0 / kItems); }

ItemPolicy GreedyPolicy(const UserSimulator& simulator) {
  return ShowBest([&](std::uint32_t state, std::uint32_t item) { return simulator.ClickProbability(state, item); });
}

ItemPolicy BestPolicy(const UserSimulator& simulator) {
  const Values values = Iterate([&](std::uint32_t state, const Values& now) {
    const auto worth = [&](std::uint32_t item) { return WorthOf(simulator, state, item, now); };
    return worth(Best(worth));
  });
  return ShowBest([&](std::uint32_t state, std::uint32_t item) { return WorthOf(simulator, state, item, values); });
}

ItemPolicy HighestScore(std::span<const double> scores) {
  return ShowBest([&](std::uint32_t state, std::uint32_t item) { return scores[state * kItems + item]; });
}

ItemPolicy SoftmaxPolicy(std::span<const double> scores) {
  ItemPolicy policy(scores.size());
  for (std::size_t first = 0; first < scores.size(); first += kItems) {
    const double highest = *std::max_element(&scores[first], &scores[first] + kItems);
    double sum = 0;
    for (std::size_t i = first; i < first + kItems; ++i) sum += policy[i] = std::exp(scores[i] - highest);
    for (std::size_t i = first; i < first + kItems; ++i) policy[i] /= sum;
  }
  return policy;
}

ItemPolicy Explore(const ItemPolicy& policy, double explore) {
  ItemPolicy mixed = policy;
  for (double& probability : mixed) probability = (1 - explore) * probability + explore / kItems;
  return mixed;
}

std::vector<double> ValuesOf(const UserSimulator& simulator, const ItemPolicy& policy) {
  return Iterate([&](std::uint32_t state, const Values& now) {
    double value = 0;
    for (std::uint32_t item = 0; item < kItems; ++item) {
      const double probability = policy[state * kItems + item];
      if (probability > 0) value += probability * WorthOf(simulator, state, item, now);
    }
    return value;
  });
}

double ReturnOf(const UserSimulator& simulator, const ItemPolicy& policy) {
  const Values values = ValuesOf(simulator, policy);
  double sum = 0;
  for (std::uint32_t state = 0; state < kStates; ++state) {
    if (UserSimulator::IsFirstState(state)) sum += values[state];
  }
  return sum / UserSimulator::kFirstStates;
}

}  // namespace sherd
