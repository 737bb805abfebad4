#pragma once

#include <cstddef>
#include <cstdint>

#include "models/nn/kernels.h"

namespace sherd::nn {

// A bfloat16: the upper half of a float's bits.
using Bf16 = std::uint16_t;

// Rounds to the nearest, ties to even; a NaN stays one. Row r of the result begins at out + r * stride.
void RoundToBf16(Matrix<float> x, Bf16* out, std::size_t stride);

// Kernels::activation_gradient in one pass that leaves the new dy rounded: row r at reinterpret_cast<Bf16*>(dy.data) +
// r * 2 * dy.stride, in the place of the floats. The bias' gradient is the sum of dy before it is rounded; it may be
// null.
void RoundedActivationGradient(const float* y, Matrix<float> dy, float* bias_gradient, Nonlinearity f);

}  // namespace sherd::nn
