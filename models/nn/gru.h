#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

struct GruOptions {
  std::uint32_t units = 1;
  proto::Optimizer weight_optimizer = {};
  proto::Optimizer bias_optimizer = {};
};

// A gated recurrent unit over the events of each row (Cho et al. 2014, in the form of cuDNN and PyTorch). x [events,
// in], y [events, units]; y_k is the state after event k, and h the one before it, zero before a row's first:
//
//   [r z a] = x_k W + b          W [in, 3 units] the tensor `name`.input.weight, b [3 units] `name`.input.bias
//   [r' z' a'] = h U + c         U [units, 3 units] `name`.recurrent.weight, c [3 units] `name`.recurrent.bias
//   r = sigmoid(r + r'), z = sigmoid(z + z'), n = tanh(a + r * a')
//   y_k = (1 - z) * n + z * h
//
// First weights are uniform in +-1 / sqrt(units), first biases zero.
template <typename T>
Activation<T>* Gru(Graph<T>* graph, const std::string& name, Activation<T>* x, const GruOptions& options);

}  // namespace sherd::nn
