#include "ps/optimizer/gradient.h"

#include <algorithm>
#include <bit>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ps/optimizer/gradient.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "ps/optimizer/lane_squares.inc"
#include "ps/optimizer/vector_loop.inc"

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {

// A float's square is finite where its magnitude is below 2^64, which is a comparison of bits that leaves out Inf and
// NaN too. The squares count because optimizers keep them: one that overflows would make a row's state Inf or NaN for
// good.
HWY_INLINE bool AllFinite(const float* HWY_RESTRICT values, std::size_t n) {
  constexpr std::uint32_t kMagnitude = 0x7fffffff, kLimit = 0x5f800000;
  const hn::ScalableTag<std::uint32_t> d;
  const hn::Rebind<float, decltype(d)> df;
  const std::size_t lanes = hn::Lanes(d);
  const auto bits = [=](std::size_t i) SHERD_LOOP_BODY {
    return hn::And(hn::BitCast(d, hn::LoadU(df, values + i)), hn::Set(d, kMagnitude));
  };
  auto even = hn::Zero(d), odd = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    even = hn::Max(even, bits(i));
    odd = hn::Max(odd, bits(i + lanes));
  }
  if (i + lanes <= n) even = hn::Max(even, bits(i)), i += lanes;
  std::uint32_t rest = 0;
  for (; i < n; ++i) rest = std::max(rest, std::bit_cast<std::uint32_t>(values[i]) & kMagnitude);
  return rest < kLimit && hn::AllTrue(d, hn::Lt(hn::Max(even, odd), hn::Set(d, kLimit)));
}

// Parts of the batch as one run of floats, and row by row only where that finds something.
std::size_t FindFinite(const float* values, std::size_t rows, std::size_t floats, std::uint8_t* finite) {
  const std::size_t part = std::max<std::size_t>(1, 1024 / std::max<std::size_t>(1, floats));
  std::size_t count = 0;
  for (std::size_t first = 0; first < rows; first += part) {
    const std::size_t end = std::min(rows, first + part);
    const bool all = AllFinite(values + first * floats, (end - first) * floats);
    for (std::size_t r = first; r < end; ++r) {
      finite[r] = all || AllFinite(values + r * floats, floats) ? 1 : 0;
      count += finite[r];
    }
  }
  return count;
}

void DivideAndRegularize(const RowBatch& batch, float divisor, float l1, float l2, float* means) {
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    const float* HWY_RESTRICT weights = batch.rows[r] + batch.weights;
    const float* HWY_RESTRICT sums = batch.gradients + r * batch.stride;
    float* HWY_RESTRICT out = means + r * batch.dim;
    ForEachVector(batch.dim, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
      auto mean = hn::Div(hn::LoadU(d, sums + i), hn::Set(d, divisor));
      if (l2 != 0) mean = hn::Add(mean, hn::Mul(hn::Set(d, l2), hn::LoadU(d, weights + i)));
      if (l1 != 0) {
        const auto weight = hn::LoadU(d, weights + i);
        const auto sign = hn::CopySign(hn::Set(d, l1), weight);
        mean = hn::Add(mean, hn::IfThenZeroElse(hn::Eq(weight, hn::Zero(d)), sign));
      }
      hn::StoreU(mean, d, out + i);
    });
  }
}

double Squares(const float* values, std::size_t n) { return LaneSquares(values, n); }

void ScaleInPlace(float* HWY_RESTRICT values, std::size_t n, float factor) {
  ForEachVector(n, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
    hn::StoreU(hn::Mul(hn::LoadU(d, values + i), hn::Set(d, factor)), d, values + i);
  });
}

void AddInPlace(const float* HWY_RESTRICT values, std::size_t n, float* HWY_RESTRICT sum) {
  ForEachVector(n, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
    hn::StoreU(hn::Add(hn::LoadU(d, sum + i), hn::LoadU(d, values + i)), d, sum + i);
  });
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(FindFinite);
HWY_EXPORT(DivideAndRegularize);
HWY_EXPORT(Squares);
HWY_EXPORT(ScaleInPlace);
HWY_EXPORT(AddInPlace);

std::size_t FindFiniteRows(const float* values, std::size_t rows, std::size_t floats, std::uint8_t* finite) {
  return HWY_DYNAMIC_DISPATCH(FindFinite)(values, rows, floats, finite);
}

void PrepareGradients(const RowBatch& batch, float divisor, const GradientRules& rules, float* means) {
  HWY_DYNAMIC_DISPATCH(DivideAndRegularize)(batch, divisor, rules.l1, rules.l2, means);
  if (rules.clip_norm <= 0) return;
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    float* mean = means + r * batch.dim;
    const double norm = std::sqrt(SumOfSquares({mean, batch.dim}));
    if (norm <= rules.clip_norm) continue;
    HWY_DYNAMIC_DISPATCH(ScaleInPlace)(mean, batch.dim, static_cast<float>(rules.clip_norm / norm));
  }
}

void ScaleWeights(const RowBatch& batch, float factor) {
  for (float* row : batch.rows) HWY_DYNAMIC_DISPATCH(ScaleInPlace)(row + batch.weights, batch.dim, factor);
}

double SumOfSquares(std::span<const float> values) {
  return HWY_DYNAMIC_DISPATCH(Squares)(values.data(), values.size());
}

void AddTo(std::span<const float> values, float* sum) {
  HWY_DYNAMIC_DISPATCH(AddInPlace)(values.data(), values.size(), sum);
}

}  // namespace sherd
#endif  // HWY_ONCE
