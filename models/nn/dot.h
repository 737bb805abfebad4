#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// y [rows, 1] = the dot product of a's and b's rows; both [rows, cols].
template <typename T>
Activation<T>* Dot(Graph<T>* graph, const std::string& name, Activation<T>* a, Activation<T>* b);

// The same of matrices: y [rows, 1].
template <typename T>
void DotRows(Matrix<T> a, Matrix<T> b, Matrix<T> y);

}  // namespace sherd::nn
