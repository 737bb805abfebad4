#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// Bi-interaction pooling (He and Chua 2017, equation 4): the element-wise products of all pairs of fields, summed. x
// [rows, fields * dim]; y [rows, dim], y[d] = ((sum_f x[f, d])^2 - sum_f x[f, d]^2) / 2. Summed over d it is the
// second-order term of a factorization machine.
template <typename T>
Activation<T>* BiInteraction(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t dim);

// Field-aware interaction (Juan et al. 2016, equation 4): each field has a vector of its own for each other one. x
// [rows, fields * fields * dim], x[f, g] is field f's vector towards g; y [rows, 1], the sum of x[f, g] . x[g, f] over
// the pairs f < g. x[f, f] counts for nothing.
template <typename T>
Activation<T>* FieldAwareInteraction(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t fields);

}  // namespace sherd::nn
