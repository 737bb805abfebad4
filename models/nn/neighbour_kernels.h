#pragma once

#include <cstdint>
#include <span>

#include "models/nn/kernels.h"

namespace sherd::nn {

// Sums along the edges of a graph, for one SIMD target: node n's neighbours are neighbour[begin[n]] …
// neighbour[begin[n + 1] - 1], and each sum goes by that order.
template <typename T>
struct NeighbourKernels {
  // The best of the process's SIMD target.
  static const NeighbourKernels& Best();

  // y_n = the sum of x_m over n's neighbours m, for the y.rows first nodes; zero without any.
  void (*gather)(const std::uint32_t* begin, const std::uint32_t* neighbour, Matrix<T> x, Matrix<T> y);
  // Its transpose: x_n is added to y_m for each neighbour m of n, for the x.rows first nodes.
  void (*scatter)(const std::uint32_t* begin, const std::uint32_t* neighbour, Matrix<T> x, Matrix<T> y);
};

}  // namespace sherd::nn
