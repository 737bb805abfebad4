#pragma once

#include <memory>

#include "ps/optimizer/row_optimizer.h"

namespace sherd {

// One function a kind of optimizer, each in the file of its name. Their specs have been checked by MakeRowOptimizer.

// buffer = momentum * buffer + g; w -= rate * buffer. Without momentum there is no buffer. State: buffer [dim] or none.
std::unique_ptr<RowOptimizer> MakeSgd(const proto::Sgd& spec, GradientRules rules);
// Duchi et al. 2011: sum += g²; w -= rate * g / (sqrt(sum) + epsilon). State: sum [dim].
std::unique_ptr<RowOptimizer> MakeAdagrad(const proto::Adagrad& spec, GradientRules rules);
// sum += mean of the row's g²; w -= rate * g / (sqrt(sum) + epsilon). State: sum [1].
std::unique_ptr<RowOptimizer> MakeRowwiseAdagrad(const proto::RowwiseAdagrad& spec, GradientRules rules);
// Kingma and Ba 2015, as torch.optim.Adam; t is the number of the row's own steps. State: m [dim], v [dim], t [1].
std::unique_ptr<RowOptimizer> MakeAdam(const proto::Adam& spec, GradientRules rules);
// McMahan et al. 2013, algorithm 1. State: z [dim], n [dim].
std::unique_ptr<RowOptimizer> MakeFtrl(const proto::Ftrl& spec, GradientRules rules);
// w = momentum * w + (1 - momentum) * g, whatever the rate. No state.
std::unique_ptr<RowOptimizer> MakeMovingAverage(const proto::MovingAverage& spec, GradientRules rules);

// A divisor may not become 0 where the job file's epsilon is 0 and a gradient's square too.
inline constexpr float kLeastEpsilon = 1e-20f;

}  // namespace sherd
