#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// y = (x - mean) / sqrt(variance + 1e-5) * scale + shift, where mean and variance (biased) are over the columns of each
// row (Ba, Kiros and Hinton 2016); x, y [rows, cols]. scale and shift are the tensors `name`.scale and `name`.shift [1,
// cols], 1 and 0 at first.
template <typename T>
Activation<T>* LayerNorm(Graph<T>* graph, const std::string& name, Activation<T>* x, const proto::Optimizer& optimizer);

}  // namespace sherd::nn
