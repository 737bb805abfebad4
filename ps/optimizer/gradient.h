#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ps/optimizer/row_optimizer.h"

namespace sherd {

// finite[r] = 1 where the squares of all `floats` of row r (at values + r * floats) are finite, else 0: for NaN, Inf
// and what is beyond 1.8e19. Returns how many rows are.
std::size_t FindFiniteRows(const float* values, std::size_t rows, std::size_t floats, std::uint8_t* finite);

// means[r * dim + i] = clip(gradient / divisor + l2 * weight + l1 * sign(weight)), for each row of the batch.
void PrepareGradients(const RowBatch& batch, float divisor, const GradientRules& rules, float* means);

// Multiplies the rows' weights by `factor`.
void ScaleWeights(const RowBatch& batch, float factor);

// The sum of the squares, in double over eight fixed lanes.
double SumOfSquares(std::span<const float> values);

// sum[i] += values[i].
void AddTo(std::span<const float> values, float* sum);

}  // namespace sherd
