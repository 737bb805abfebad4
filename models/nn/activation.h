#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// y = f(x), element by element; x, y [rows, cols]. Where f follows a linear layer directly, that layer does it for
// less.
template <typename T>
Activation<T>* Activate(Graph<T>* graph, const std::string& name, Activation<T>* x, Nonlinearity f);

// y = f(x + b); x, y [rows, cols], b the tensor `name`.bias [1, cols], zero at first.
template <typename T>
Activation<T>* AddBias(Graph<T>* graph, const std::string& name, Activation<T>* x, Nonlinearity f,
                       const proto::Optimizer& optimizer);

}  // namespace sherd::nn
