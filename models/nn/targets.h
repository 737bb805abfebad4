#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// Scores of each row's targets: y [targets, 1], y_k = x_r . w_k + b_k for target k of the batch's row r, of which w_k
// and b_k are two segments of its row in the table, b of dim 1. x [rows, dim]. Only what is asked for is computed: of
// an output layer over a whole catalogue, the columns of the targets. Backward writes both segments' parts of each
// unique row's gradient.
template <typename T>
Activation<T>* TargetScores(Graph<T>* graph, const std::string& name, Activation<T>* x, const Domain* targets,
                            Segment w, Segment b);

}  // namespace sherd::nn
