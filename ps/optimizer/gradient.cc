#include "ps/optimizer/gradient.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ps/optimizer/gradient.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "ps/optimizer/vector_loop.inc"

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {

// x * x * 0 is a zero where the square of x is finite and NaN for any other x, and a sum with a NaN is one. The squares
// count because optimizers keep them: one that overflows would make a row's state Inf or NaN for good.
HWY_INLINE bool AllFinite(const float* HWY_RESTRICT values, std::size_t n) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto x = hn::LoadU(d, values + i);
    sum = hn::Add(sum, hn::Mul(hn::Mul(x, x), hn::Zero(d)));
  }
  float rest = 0;
  for (; i < n; ++i) rest += (values[i] * values[i]) * 0.0f;
  return hn::AllTrue(d, hn::Eq(sum, hn::Zero(d))) && rest == 0.0f;
}

std::size_t FindFinite(const float* values, std::size_t rows, std::size_t floats, std::uint8_t* finite) {
  std::size_t count = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    finite[r] = AllFinite(values + r * floats, floats) ? 1 : 0;
    count += finite[r];
  }
  return count;
}

void DivideAndDecay(const RowBatch& batch, float divisor, float l2, float* means) {
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    const float* HWY_RESTRICT weights = batch.rows[r] + batch.weights;
    const float* HWY_RESTRICT sums = batch.gradients + r * batch.stride;
    float* HWY_RESTRICT out = means + r * batch.dim;
    ForEachVector(batch.dim, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
      auto mean = hn::Div(hn::LoadU(d, sums + i), hn::Set(d, divisor));
      if (l2 != 0) mean = hn::Add(mean, hn::Mul(hn::Set(d, l2), hn::LoadU(d, weights + i)));
      hn::StoreU(mean, d, out + i);
    });
  }
}

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
HWY_EXPORT(DivideAndDecay);
HWY_EXPORT(ScaleInPlace);
HWY_EXPORT(AddInPlace);

std::size_t FindFiniteRows(const float* values, std::size_t rows, std::size_t floats, std::uint8_t* finite) {
  return HWY_DYNAMIC_DISPATCH(FindFinite)(values, rows, floats, finite);
}

void PrepareGradients(const RowBatch& batch, float divisor, const GradientRules& rules, float* means) {
  HWY_DYNAMIC_DISPATCH(DivideAndDecay)(batch, divisor, rules.l2, means);
  if (rules.clip_norm <= 0) return;
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    float* mean = means + r * batch.dim;
    const double norm = std::sqrt(SumOfSquares({mean, batch.dim}));
    if (norm <= rules.clip_norm) continue;
    HWY_DYNAMIC_DISPATCH(ScaleInPlace)(mean, batch.dim, static_cast<float>(rules.clip_norm / norm));
  }
}

double SumOfSquares(std::span<const float> values) {
  constexpr std::size_t kLanes = 8;
  double lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) lanes[j] += static_cast<double>(values[i + j]) * values[i + j];
  }
  for (std::size_t j = 0; i < values.size(); ++i, ++j) lanes[j] += static_cast<double>(values[i]) * values[i];
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

void AddTo(std::span<const float> values, float* sum) {
  HWY_DYNAMIC_DISPATCH(AddInPlace)(values.data(), values.size(), sum);
}

}  // namespace sherd
#endif  // HWY_ONCE
