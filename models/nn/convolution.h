#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// Convolutions over the steps of each row, x [rows, steps * channels], of which step s has the columns [s * channels,
// (s + 1) * channels).

struct ConvolutionOptions {
  std::uint32_t steps = 1;
  std::uint32_t height = 1;  // steps that a filter sees at once, at most `steps`
  std::uint32_t filters = 1;
  Nonlinearity nonlinearity = Nonlinearity::kRelu;
  proto::Optimizer weight_optimizer = {};
  proto::Optimizer bias_optimizer = {};
};

// y [rows, (steps - height + 1) * filters]: y_s = f([x_s ... x_(s+height-1)] W + b) at every place that `height` steps
// fit, without padding. W is the tensor `name`.weight [height * channels, filters], b `name`.bias [filters].
template <typename T>
Activation<T>* Convolution(Graph<T>* graph, const std::string& name, Activation<T>* x,
                           const ConvolutionOptions& options);

// y [rows, channels]: of each channel the largest value of all steps; the first one of equals gets the gradient.
template <typename T>
Activation<T>* MaxOverSteps(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t steps);

// y [rows, filters * channels]: y_vc = the sum over the steps of w_vs x_sc, the same for every channel (Tang and Wang
// 2018, equation 6); w is the tensor `name`.weight [filters, steps]. No bias. `height` and f are not asked for.
template <typename T>
Activation<T>* VerticalConvolution(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t steps,
                                   std::uint32_t filters, const proto::Optimizer& optimizer);

}  // namespace sherd::nn
