#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// y = x / |x|, row by row; both [rows, cols]. A row of zeros stays one, and has no gradient.
template <typename T>
Activation<T>* UnitLength(Graph<T>* graph, const std::string& name, Activation<T>* x);

}  // namespace sherd::nn
