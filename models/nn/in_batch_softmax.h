#pragma once

#include <string>

#include "models/nn/graph.h"
#include "proto/job.pb.h"

namespace sherd::nn {

// Scores of pairs that are trained against one another (sampled softmax with in-batch negatives, Yi et al. 2019). The
// output is y [rows, 1] = the dot product of user and item, [rows, cols] each. As the head of the graph its loss is the
// sum over the rows r of
//
//   weight_r * -log softmax_r(s_r),   s_rj = user_r . item_j / temperature - log_share_j
//
// where j goes over the items of all rows of the minibatch, and log_share_j, the logarithm of an item's share of the
// training rows, is left out where the job does not want it. Rows j != r with the item of row r do not count: they are
// no negatives. The batch must say the items' names, and their shares. Rows are the batch's, or those of the domain
// that user and item have in common.
template <typename T>
Activation<T>* InBatchSoftmax(Graph<T>* graph, const std::string& name, Activation<T>* user, Activation<T>* item,
                              const proto::InBatchSoftmax& options);

}  // namespace sherd::nn
