#pragma once

#include <string>
#include <vector>

#include "models/nn/graph.h"

namespace sherd::nn {

// y = a * b, element by element; all [rows, cols].
template <typename T>
Activation<T>* Product(Graph<T>* graph, const std::string& name, Activation<T>* a, Activation<T>* b);

// y = a + b, element by element; all [rows, cols].
template <typename T>
Activation<T>* Sum(Graph<T>* graph, const std::string& name, Activation<T>* a, Activation<T>* b);

// y = the sum of the terms + bias; all [rows, 1]. The bias is the tensor `name`.bias [1, 1], zero at first.
template <typename T>
Activation<T>* SumWithBias(Graph<T>* graph, const std::string& name, const std::vector<Activation<T>*>& terms,
                           const proto::Optimizer& optimizer);

// The batch's numbers, y [rows, cols]. They have no gradient.
template <typename T>
Activation<T>* Numbers(Graph<T>* graph, const std::string& name, std::uint32_t cols);

}  // namespace sherd::nn
