#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// Makes each tensor, and each segment of a table's rows, whose name begins with `prefix` a copy that follows the one of
// the rest of its name: DQN's target network (Mnih et al. 2015), following a little in each clock (Lillicrap et al.
// 2016, "soft" updates) instead of all the way every so many:
//   copy += rate (original - copy)
// for tensors in each clock, for a row in each clock that touches it. It is a step of SGD of the rate `rate` by the
// gradient of rows / 2 |copy - original|^2, so the servers know nothing of it. All layers and segments are declared
// before; what other layers say of the copies' gradients does not count, and the spec's optimizers of the copies are
// replaced.
template <typename T>
void SlowCopy(Graph<T>* graph, const std::string& prefix, double rate);

}  // namespace sherd::nn
