#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

struct LstmOptions {
  std::uint32_t units = 1;
  proto::Optimizer weight_optimizer = {};
  proto::Optimizer bias_optimizer = {};
};

// A layer of long short-term memory over the events of each row (Hochreiter and Schmidhuber 1997, with the forget gate
// of Gers et al. 2000, in the form of cuDNN and PyTorch but for their second bias, which adds nothing). x [events, in],
// y [events, units]; y_k is the output after event k, h the one before it and c the cell before it, both zero before a
// row's first:
//
//   [i f g o] = x_k W + b + h U      W [in, 4 units] the tensor `name`.input.weight, b [4 units] `name`.input.bias,
//                                    U [units, 4 units] `name`.recurrent.weight
//   c_k = sigmoid(f) * c + sigmoid(i) * tanh(g)
//   y_k = sigmoid(o) * tanh(c_k)
//
// First weights are uniform in +-1 / sqrt(in) (W) and +-1 / sqrt(units) (U), first biases zero.
template <typename T>
Activation<T>* Lstm(Graph<T>* graph, const std::string& name, Activation<T>* x, const LstmOptions& options);

}  // namespace sherd::nn
