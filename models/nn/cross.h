#pragma once

#include <string>

#include "models/nn/graph.h"
#include "models/nn/linear.h"

namespace sherd::nn {

struct CrossOptions {
  proto::CrossNetwork::Kind kind = proto::CrossNetwork::MATRIX;
  Precision precision = Precision::kFloat;  // of MATRIX's products
  proto::Optimizer weight_optimizer = {};
  proto::Optimizer bias_optimizer = {};
};

// A layer of a cross network; x0, x and y [rows, cols]:
//   VECTOR: y = x0 (x w) + b + x, w [cols, 1] (Wang et al. 2017, equation 3)
//   MATRIX: y = x0 * (x W + b) + x, element by element, W [cols, cols] (Wang et al. 2021, equation 1)
// The tensors are `name`.weight and `name`.bias [1, cols].
template <typename T>
Activation<T>* Cross(Graph<T>* graph, const std::string& name, Activation<T>* x0, Activation<T>* x,
                     const CrossOptions& options);

}  // namespace sherd::nn
