#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// The loss of Q-learning (Mnih et al. 2015, algorithm 1; the error is not clipped). y [rows, 1] = q, the worth of what
// was done in a row's state; the loss of a row, the output of the graph, is
//   (label + discount max_k next_k - q)^2
// where the label is the reward, next [of a domain, 1] is the worth of all that the next state lets do, zero where it
// lets do nothing, and discount [rows, 1] is what it counts, zero at an end. The gradient is by q alone: next is taken
// as given.
template <typename T>
Activation<T>* TemporalDifference(Graph<T>* graph, const std::string& name, Activation<T>* q, const Activation<T>* next,
                                  const Activation<T>* discount);

}  // namespace sherd::nn
