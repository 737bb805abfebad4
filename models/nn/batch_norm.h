#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// Batch normalization (Ioffe and Szegedy 2015) of each column of x [rows, cols]:
// y = (x - mean) / sqrt(variance + 1e-5) * scale + shift, by the batch's mean and biased variance in training, by the
// running ones otherwise. Tensors [1, cols]: `name`.scale (begins at 1), `name`.shift (0), and `name`.running_mean (0)
// and `name`.running_variance (1), which are moving averages with momentum 0.9 of the batch's mean and unbiased
// variance, as PyTorch has it. Their "gradients" are the batch's statistic times its rows. A batch of one row
// normalizes to `shift`.
template <typename T>
Activation<T>* BatchNorm(Graph<T>* graph, const std::string& name, Activation<T>* x, const proto::Optimizer& optimizer);

}  // namespace sherd::nn
