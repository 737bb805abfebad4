#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

struct LinearOptions {
  std::uint32_t units = 1;
  bool bias = true;
  Nonlinearity nonlinearity = Nonlinearity::kIdentity;
  proto::Optimizer weight_optimizer = {};
  proto::Optimizer bias_optimizer = {};
};

// y = f(x W + b): x [rows, in], W [in, units] as tensor `name`.weight (first weights Xavier-uniform, Glorot and Bengio
// 2010), b [units] as `name`.bias (zero), y [rows, units]. Bias and f run in one pass over y.
template <typename T>
Activation<T>* Linear(Graph<T>* graph, const std::string& name, Activation<T>* x, const LinearOptions& options);

}  // namespace sherd::nn
