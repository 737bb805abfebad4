#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// The factorization machine's second-order term (Rendle 2010, equation 5): x [rows, fields * dim] ->
// y [rows, 1] = sum over dim of ((sum_f x)^2 - sum_f x^2) / 2, the sum of the dot products of all pairs of fields.
template <typename T>
Activation<T>* Interaction(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t dim);

}  // namespace sherd::nn
