#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// A segment of a table's rows, looked up for each field: y [rows, fields * dim] is the sum of the field's occurrences
// times their weights; zero for a field without any. Backward writes the segment's part of each unique row's gradient.
// A segment belongs to one layer.
template <typename T>
Activation<T>* Embedding(Graph<T>* graph, const std::string& name, Segment segment);

// First-order weights: a segment of dim 1 summed over all fields, y [rows, 1].
template <typename T>
Activation<T>* FirstOrderSum(Graph<T>* graph, const std::string& name, Segment segment);

}  // namespace sherd::nn
