#pragma once

#include <memory>

#include "ps/optimizer/row_optimizer.h"

namespace sherd {

// One function a kind of optimizer, each in the file of its name; AMSGrad is in Adam's. Their specs have been checked
// by MakeRowOptimizer.

// buffer = momentum * buffer + g; w -= rate * buffer. Without momentum there is no buffer. State: buffer [dim] or none.
std::unique_ptr<RowOptimizer> MakeSgd(const proto::Sgd& spec, GradientRules rules);
// Duchi et al. 2011: sum += g²; w -= rate * g / (sqrt(sum) + epsilon). State: sum [dim].
std::unique_ptr<RowOptimizer> MakeAdagrad(const proto::Adagrad& spec, GradientRules rules);
// sum += mean of the row's g²; w -= rate * g / (sqrt(sum) + epsilon). State: sum [1].
std::unique_ptr<RowOptimizer> MakeRowwiseAdagrad(const proto::RowwiseAdagrad& spec, GradientRules rules);
// Kingma and Ba 2015, as torch.optim.Adam; t is the number of the row's own steps. State: m [dim], v [dim], t [1].
std::unique_ptr<RowOptimizer> MakeAdam(const proto::Adam& spec, GradientRules rules);
// Reddi et al. 2018, as torch.optim.Adam(amsgrad=True): Adam by the greatest v so far. State: m, v, greatest v [dim
// each], t [1].
std::unique_ptr<RowOptimizer> MakeAmsGrad(const proto::AmsGrad& spec, GradientRules rules);
// As torch.optim.RMSprop: v = decay * v + (1 - decay) * g²; step = g / (sqrt(v) + epsilon); w -= rate * step. With
// momentum buffer = momentum * buffer + step; w -= rate * buffer. State: v [dim], and buffer [dim] with momentum.
std::unique_ptr<RowOptimizer> MakeRmsProp(const proto::RmsProp& spec, GradientRules rules);
// You et al. 2020, algorithm 2, a row as a layer: update = Adam's direction + weight_decay * w;
// w -= rate * |w| / |update| * update, without the ratio where a norm is 0. State: m [dim], v [dim], t [1].
std::unique_ptr<RowOptimizer> MakeLamb(const proto::Lamb& spec, GradientRules rules);
// You et al. 2017, algorithm 1, a row as a layer, and the rate outside the momentum as in MakeSgd:
// buffer = momentum * buffer + trust * |w| / (|g| + weight_decay * |w|) * (g + weight_decay * w); w -= rate * buffer.
// Where a norm is 0 the ratio is 1. State: buffer [dim].
std::unique_ptr<RowOptimizer> MakeLars(const proto::Lars& spec, GradientRules rules);
// McMahan et al. 2013, algorithm 1. State: z [dim], n [dim].
std::unique_ptr<RowOptimizer> MakeFtrl(const proto::Ftrl& spec, GradientRules rules);
// w = momentum * w + (1 - momentum) * g, whatever the rate. No state.
std::unique_ptr<RowOptimizer> MakeMovingAverage(const proto::MovingAverage& spec, GradientRules rules);

// A divisor may not become 0 where the job file's epsilon is 0 and a gradient's square too.
inline constexpr float kLeastEpsilon = 1e-20f;

}  // namespace sherd
