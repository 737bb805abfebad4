#include "models/nn/bf16.h"

#include <algorithm>

// The file includes itself once a SIMD target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/nn/bf16.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sherd::nn {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D, class V>
HWY_INLINE HWY_ATTR void StoreRounded(D d, V v, Bf16* out) {
  const hn::RebindToUnsigned<D> bits;
  const hn::Rebind<Bf16, D> half;
  const auto u = hn::BitCast(bits, v);
  const auto odd = hn::And(hn::ShiftRight<16>(u), hn::Set(bits, 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(u, hn::Add(odd, hn::Set(bits, 0x7fff))));
  const auto nan = hn::RebindMask(bits, hn::IsNaN(v));
  hn::StoreU(hn::TruncateTo(half, hn::IfThenElse(nan, hn::Set(bits, 0x7fc0), rounded)), half, out);
}

HWY_ATTR void Round(Matrix<float> x, Bf16* out, std::size_t stride) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  for (std::size_t r = 0; r < x.rows; ++r) {
    const float* from = x.data + r * x.stride;
    Bf16* to = out + r * stride;
    std::size_t c = 0;
    for (; c + hn::Lanes(d) <= x.cols; c += hn::Lanes(d)) StoreRounded(d, hn::LoadU(d, from + c), to + c);
    for (; c < x.cols; ++c) StoreRounded(one, hn::LoadU(one, from + c), to + c);
  }
}

// f'(z), told by y = f(z).
template <Nonlinearity f, class D, class V>
HWY_INLINE HWY_ATTR V TimesSlope(D d, V y, V dy) {
  const auto one = hn::Set(d, 1.0f);
  if constexpr (f == Nonlinearity::kRelu) return hn::IfThenElseZero(hn::Gt(y, hn::Zero(d)), dy);
  if constexpr (f == Nonlinearity::kTanh) return hn::Mul(dy, hn::Sub(one, hn::Mul(y, y)));
  if constexpr (f == Nonlinearity::kSigmoid) return hn::Mul(dy, hn::Mul(y, hn::Sub(one, y)));
  return dy;
}

template <Nonlinearity f, class D>
HWY_INLINE HWY_ATTR void GradientOf(D d, const float* y, const float* dy, float* bias_gradient, Bf16* out) {
  const auto dz = TimesSlope<f>(d, hn::LoadU(d, y), hn::LoadU(d, dy));
  if (bias_gradient != nullptr) hn::StoreU(hn::Add(hn::LoadU(d, bias_gradient), dz), d, bias_gradient);
  StoreRounded(d, dz, out);
}

// A row's results never reach floats that are still to be read: they take half the room, from the same place on.
template <Nonlinearity f>
HWY_ATTR void RoundGradient(const float* y, Matrix<float> dy, float* bias_gradient) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  if (bias_gradient != nullptr) std::fill_n(bias_gradient, dy.cols, 0.0f);
  for (std::size_t r = 0; r < dy.rows; ++r) {
    const float *value = y + r * dy.stride, *row = dy.data + r * dy.stride;
    Bf16* out = reinterpret_cast<Bf16*>(dy.data + r * dy.stride);
    const auto bias = [=](std::size_t c) { return bias_gradient == nullptr ? nullptr : bias_gradient + c; };
    std::size_t c = 0;
    for (; c + hn::Lanes(d) <= dy.cols; c += hn::Lanes(d)) GradientOf<f>(d, value + c, row + c, bias(c), out + c);
    for (; c < dy.cols; ++c) GradientOf<f>(one, value + c, row + c, bias(c), out + c);
  }
}

void Gradient(const float* y, Matrix<float> dy, float* bias_gradient, Nonlinearity f) {
  switch (f) {
    case Nonlinearity::kIdentity:
      return RoundGradient<Nonlinearity::kIdentity>(y, dy, bias_gradient);
    case Nonlinearity::kRelu:
      return RoundGradient<Nonlinearity::kRelu>(y, dy, bias_gradient);
    case Nonlinearity::kTanh:
      return RoundGradient<Nonlinearity::kTanh>(y, dy, bias_gradient);
    case Nonlinearity::kSigmoid:
      return RoundGradient<Nonlinearity::kSigmoid>(y, dy, bias_gradient);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace sherd::nn
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd::nn {
HWY_EXPORT(Round);
HWY_EXPORT(Gradient);

void RoundToBf16(Matrix<float> x, Bf16* out, std::size_t stride) { HWY_DYNAMIC_DISPATCH(Round)(x, out, stride); }

void RoundedActivationGradient(const float* y, Matrix<float> dy, float* bias_gradient, Nonlinearity f) {
  HWY_DYNAMIC_DISPATCH(Gradient)(y, dy, bias_gradient, f);
}

}  // namespace sherd::nn
#endif
