#pragma once

#include <span>
#include <vector>

#include "worker/data/simulator/user_simulator.h"

namespace sherd {

// Which item is shown in which state: a probability for each, [states, items], row-major.
using ItemPolicy = std::vector<double>;

ItemPolicy RandomPolicy();                                // each item alike
ItemPolicy GreedyPolicy(const UserSimulator& simulator);  // the item that is most likely clicked on now
// The best one, by value iteration (Bellman 1957): V(s) = max over items a of click(s, a) + sum over s' of P(s'|s, a)
// V(s').
ItemPolicy BestPolicy(const UserSimulator& simulator);
// Of scores [states, items]: the item with the highest one, or each by softmax. All are finite.
ItemPolicy HighestScore(std::span<const double> scores);
ItemPolicy SoftmaxPolicy(std::span<const double> scores);
// With probability `explore` an item is drawn from all alike instead.
ItemPolicy Explore(const ItemPolicy& policy, double explore);

// Clicks of a session to come from each state, exact but for 1e-12 or so: the fixed point of V(s) = sum over items a of
// policy(s, a) (click(s, a) + sum over s' of P(s'|s, a) V(s')).
std::vector<double> ValuesOf(const UserSimulator& simulator, const ItemPolicy& policy);
// The mean over the states that sessions begin in: clicks a session.
double ReturnOf(const UserSimulator& simulator, const ItemPolicy& policy);

}  // namespace sherd
