#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// Layers between the batch's rows and those of a domain: a row's events, each with an embedding of its own.

// Who clears a segment's gradients where several layers look it up: Backward runs in the order opposite to that of the
// declarations, so the last one that is declared clears, and the others add.
enum class SegmentGradient { kClears, kAdds };

// y [occurrences, dim]: the segment of each occurrence's row, whatever its weight.
template <typename T>
Activation<T>* Occurrences(Graph<T>* graph, const std::string& name, const Domain* domain, Segment segment,
                           SegmentGradient gradient);

// y [rows, dim]: the same, summed over each row's occurrences; of a field of one value, its embedding.
template <typename T>
Activation<T>* SumOfOccurrences(Graph<T>* graph, const std::string& name, const Domain* domain, Segment segment,
                                SegmentGradient gradient);

// y [occurrences, cols], y_k = x_r of the row r that occurrence k belongs to; x [rows, cols].
template <typename T>
Activation<T>* Spread(Graph<T>* graph, const std::string& name, Activation<T>* x, const Domain* domain);

// y_k = w_k x_k, where w_k is the weight of occurrence k in the batch; x, y [occurrences, cols].
template <typename T>
Activation<T>* Weighed(Graph<T>* graph, const std::string& name, Activation<T>* x);

// y [rows, cols], y_r = the sum over row r's occurrences of x_k; x [occurrences, cols]. Zero where there are none.
template <typename T>
Activation<T>* RowSum(Graph<T>* graph, const std::string& name, Activation<T>* x);

// y [rows, cols]: of each column the largest x_k over row r's occurrences, the first of equals, which gets the
// gradient; x [occurrences, cols]. Zero where there are none.
template <typename T>
Activation<T>* RowMax(Graph<T>* graph, const std::string& name, Activation<T>* x);

// y [rows, cols], y_r = the sum over row r's occurrences of a_k x_k: a [occurrences, 1], x [occurrences, cols]. Zero
// where there are none.
template <typename T>
Activation<T>* WeightedSum(Graph<T>* graph, const std::string& name, Activation<T>* a, Activation<T>* x);

}  // namespace sherd::nn
