#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// In training each element of x [rows, cols] is dropped with `probability` (to 1/65536), the others are scaled by
// 1 / (1 - probability) (Srivastava et al. 2014); otherwise y = x. Which ones are dropped follows from (seed, epoch,
// row id, place among the row's events where x has those of a domain, name, column) alone: it does not depend on the
// batch that a row comes in. Needs Batch.row_ids in training.
template <typename T>
Activation<T>* Dropout(Graph<T>* graph, const std::string& name, Activation<T>* x, double probability);

// The same of whole rows of x, which are a domain's: an event is dropped or it stays.
template <typename T>
Activation<T>* DropEvents(Graph<T>* graph, const std::string& name, Activation<T>* x, double probability);

}  // namespace sherd::nn
