#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// Layers over images: activations [rows, height * width * channels], line by line, a pixel's channels behind one
// another.
struct ImageShape {
  std::uint32_t height = 1, width = 1, channels = 1;
  std::uint32_t pixels() const { return height * width; }
};

struct ImageConvolutionOptions {
  std::uint32_t filters = 1;
  Nonlinearity nonlinearity = Nonlinearity::kRelu;
  proto::Optimizer weight_optimizer = {};
  proto::Optimizer bias_optimizer = {};
};

// y [rows, height * width * filters]: at each pixel f(p W + b), with p the 3 x 3 pixels around it, [9 * channels], zero
// beyond the edges. W is the tensor `name`.weight [9 * channels, filters], b `name`.bias [filters].
template <typename T>
Activation<T>* ImageConvolution(Graph<T>* graph, const std::string& name, Activation<T>* x, const ImageShape& shape,
                                const ImageConvolutionOptions& options);

// y [rows, height / 2 * width / 2 * channels]: of each channel the largest of every 2 x 2 pixels; a last line or column
// on its own is left out. The first one of equals gets the gradient.
template <typename T>
Activation<T>* MaxPool(Graph<T>* graph, const std::string& name, Activation<T>* x, const ImageShape& shape);

}  // namespace sherd::nn
