#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// The most likely of several classes: y [rows, 1] = the number of the largest element of x [rows, classes], the first
// of equal ones. As the head of the graph its loss is the sum over the rows of weight * -log softmax(x)_label, where
// labels are numbers of classes; it is NaN where one is not.
template <typename T>
Activation<T>* ClassSoftmax(Graph<T>* graph, const std::string& name, Activation<T>* x);

}  // namespace sherd::nn
