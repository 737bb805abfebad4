#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// Scaled dot-product attention with a causal mask (Vaswani et al. 2017, equation 1, and section 3.2.2 for several
// heads) among the events of each row. x [events, 3 d] are queries, keys and values side by side, y [events, d]; head h
// of H has the columns [h d/H, (h + 1) d/H) of each. Of each head, with event i's row of Q, and the rows of K and V of
// the row's events up to i,
//
//   y_i = softmax(Q_i K^T / sqrt(d / H)) V
//
// d must be a multiple of `heads`. Takes memory for the square of the longest row's events; the weights are made again
// going back, not kept.
template <typename T>
Activation<T>* CausalSelfAttention(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t heads);

}  // namespace sherd::nn
