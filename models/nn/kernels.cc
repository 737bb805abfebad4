#include "models/nn/kernels.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "base/hash.h"

// The file includes itself once a SIMD target. Plain loops over columns are vectorized by the compiler for that target;
// what needs a transcendental function is written with Highway's.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/nn/kernels.cc"
// In this order: foreach_target includes the whole file for each target but one, and the rest is compiled for that.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace sherd::nn {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// ---- bias and activation -------------------------------------------------------------------------------------------

struct Tanh {
  template <class D, class V>
  HWY_ATTR V operator()(D d, V x) const {
    return hn::Tanh(d, x);
  }
};
struct Sigmoid {  // by tanh: no overflow at either end
  template <class D, class V>
  HWY_ATTR V operator()(D d, V x) const {
    const V half = hn::Set(d, static_cast<hn::TFromD<D>>(0.5));
    return hn::MulAdd(half, hn::Tanh(d, hn::Mul(half, x)), half);
  }
};

template <typename T, class Function>
HWY_ATTR void AddAndApply(Matrix<T> y, const T* bias, Function f) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> one;  // the last columns: the same operations, so the same results
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t r = 0; r < y.rows; ++r) {
    T* row = y.data + r * y.stride;
    std::size_t c = 0;
    for (; c + lanes <= y.cols; c += lanes) {
      auto v = hn::LoadU(d, row + c);
      if (bias != nullptr) v = hn::Add(v, hn::LoadU(d, bias + c));
      hn::StoreU(f(d, v), d, row + c);
    }
    for (; c < y.cols; ++c) {
      auto v = hn::LoadU(one, row + c);
      if (bias != nullptr) v = hn::Add(v, hn::LoadU(one, bias + c));
      hn::StoreU(f(one, v), one, row + c);
    }
  }
}

template <typename T>
void AddBias(Matrix<T> y, const T* __restrict bias) {
  for (std::size_t r = 0; r < y.rows; ++r) {
    T* __restrict row = y.data + r * y.stride;
    for (std::size_t c = 0; c < y.cols; ++c) row[c] += bias[c];
  }
}

// A NaN stays one, to be found.
template <typename T>
void AddBiasRelu(Matrix<T> y, const T* __restrict bias) {
  for (std::size_t r = 0; r < y.rows; ++r) {
    T* __restrict row = y.data + r * y.stride;
    if (bias != nullptr) {
      for (std::size_t c = 0; c < y.cols; ++c) row[c] = row[c] + bias[c] < 0 ? T{0} : row[c] + bias[c];
    } else {
      for (std::size_t c = 0; c < y.cols; ++c) row[c] = row[c] < 0 ? T{0} : row[c];
    }
  }
}

template <typename T>
void BiasActivation(Matrix<T> y, const T* bias, Nonlinearity f) {
  switch (f) {
    case Nonlinearity::kIdentity:
      if (bias != nullptr) AddBias(y, bias);
      return;
    case Nonlinearity::kRelu:
      return AddBiasRelu(y, bias);
    case Nonlinearity::kTanh:
      return AddAndApply(y, bias, Tanh());
    case Nonlinearity::kSigmoid:
      return AddAndApply(y, bias, Sigmoid());
  }
}

template <Nonlinearity f, typename T>
inline T Slope(T y) {
  if constexpr (f == Nonlinearity::kRelu) return y > 0 ? T{1} : T{0};
  if constexpr (f == Nonlinearity::kTanh) return 1 - y * y;
  if constexpr (f == Nonlinearity::kSigmoid) return y * (1 - y);
  return 1;
}

template <Nonlinearity f, typename T>
void MultiplyBySlope(const T* y, Matrix<T> dy, T* __restrict bias_gradient) {
  if (bias_gradient != nullptr) std::fill_n(bias_gradient, dy.cols, T{0});
  for (std::size_t r = 0; r < dy.rows; ++r) {
    const T* __restrict value = y + r * dy.stride;
    T* __restrict row = dy.data + r * dy.stride;
    if constexpr (f != Nonlinearity::kIdentity) {
      for (std::size_t c = 0; c < dy.cols; ++c) row[c] *= Slope<f>(value[c]);
    }
    if (bias_gradient == nullptr) continue;
    for (std::size_t c = 0; c < dy.cols; ++c) bias_gradient[c] += row[c];
  }
}

template <typename T>
void ActivationGradient(const T* y, Matrix<T> dy, T* bias_gradient, Nonlinearity f) {
  switch (f) {
    case Nonlinearity::kIdentity:
      return MultiplyBySlope<Nonlinearity::kIdentity>(y, dy, bias_gradient);
    case Nonlinearity::kRelu:
      return MultiplyBySlope<Nonlinearity::kRelu>(y, dy, bias_gradient);
    case Nonlinearity::kTanh:
      return MultiplyBySlope<Nonlinearity::kTanh>(y, dy, bias_gradient);
    case Nonlinearity::kSigmoid:
      return MultiplyBySlope<Nonlinearity::kSigmoid>(y, dy, bias_gradient);
  }
}

// ---- embeddings ----------------------------------------------------------------------------------------------------

constexpr std::size_t kAhead = 16;  // occurrences between a prefetch and its use

template <typename T>
inline std::size_t Begin(const TableBatch<T>& batch, std::size_t cell) {
  return batch.offset.empty() ? cell : batch.offset[cell];
}

template <typename T>
inline T Weight(const TableBatch<T>& batch, std::size_t occurrence) {
  return batch.weight.empty() ? T{1} : static_cast<T>(batch.weight[occurrence]);
}

// Calls f with the dim as a constant, where it is one that many use, or else with 0.
template <class F>
void WithDim(std::size_t dim, F f) {
  if (dim == 8) return f(std::integral_constant<std::size_t, 8>());
  if (dim == 16) return f(std::integral_constant<std::size_t, 16>());
  if (dim == 32) return f(std::integral_constant<std::size_t, 32>());
  f(std::integral_constant<std::size_t, 0>());
}

// What most minibatches are: one occurrence of weight 1 a field.
template <std::size_t kDim, typename T>
void PoolOneAField(const TableBatch<T>& batch, Segment segment, Matrix<T> out) {
  const std::size_t dim = kDim == 0 ? segment.dim : kDim, occurrences = batch.unique.size();
  const std::uint32_t* const unique = batch.unique.data();
  const T* const* const values = batch.values.data();
  std::size_t i = 0;
  for (std::size_t r = 0; r < out.rows; ++r) {
    T* __restrict to = out.data + r * out.stride;
    for (const std::size_t end = i + segment.fields; i < end; ++i, to += dim) {
      __builtin_prefetch(values[unique[std::min(i + kAhead, occurrences - 1)]] + segment.first);
      const T* __restrict row = values[unique[i]] + segment.first;
      for (std::size_t d = 0; d < dim; ++d) to[d] = row[d];
    }
  }
}

template <typename T>
void Pool(const TableBatch<T>& batch, Segment segment, Matrix<T> out) {
  if (batch.offset.empty() && batch.weight.empty()) {
    return WithDim(segment.dim, [&](auto dim) { PoolOneAField<dim()>(batch, segment, out); });
  }
  const std::size_t occurrences = batch.unique.size();
  for (std::size_t r = 0; r < out.rows; ++r) {
    for (std::size_t f = 0; f < segment.fields; ++f) {
      const std::size_t cell = r * segment.fields + f;
      T* __restrict sum = out.data + r * out.stride + f * segment.dim;
      const std::size_t begin = Begin(batch, cell), end = Begin(batch, cell + 1);
      if (begin == end) std::fill_n(sum, segment.dim, T{0});
      for (std::size_t i = begin; i < end; ++i) {
        if (i + kAhead < occurrences) __builtin_prefetch(batch.values[batch.unique[i + kAhead]] + segment.first);
        const T* __restrict row = batch.values[batch.unique[i]] + segment.first;
        const T weight = Weight(batch, i);
        if (i == begin) {
          for (std::size_t d = 0; d < segment.dim; ++d) sum[d] = weight * row[d];
        } else {
          for (std::size_t d = 0; d < segment.dim; ++d) sum[d] += weight * row[d];
        }
      }
    }
  }
}

template <typename T>
void PoolGradient(const TableBatch<T>& batch, Segment segment, Matrix<T> dout) {
  WithDim(segment.dim, [&](auto known) {
    const std::size_t dim = known() == 0 ? segment.dim : known();
    for (T* row : batch.gradients) std::fill_n(row + segment.first, dim, T{0});
  });
  const std::size_t occurrences = batch.unique.size();
  for (std::size_t r = 0; r < dout.rows; ++r) {
    for (std::size_t f = 0; f < segment.fields; ++f) {
      const std::size_t cell = r * segment.fields + f;
      const T* __restrict gradient = dout.data + r * dout.stride + f * segment.dim;
      const std::size_t end = Begin(batch, cell + 1);
      for (std::size_t i = Begin(batch, cell); i < end; ++i) {
        if (i + kAhead < occurrences) __builtin_prefetch(batch.gradients[batch.unique[i + kAhead]] + segment.first, 1);
        T* __restrict row = batch.gradients[batch.unique[i]] + segment.first;
        const T weight = Weight(batch, i);
        for (std::size_t d = 0; d < segment.dim; ++d) row[d] += weight * gradient[d];
      }
    }
  }
}

template <typename T>
void PoolFields(const TableBatch<T>& batch, Segment segment, Matrix<T> out) {
  const std::size_t occurrences = batch.unique.size();
  for (std::size_t r = 0; r < out.rows; ++r) {
    const std::size_t end = Begin(batch, (r + 1) * segment.fields);
    T sum = 0;
    for (std::size_t i = Begin(batch, r * segment.fields); i < end; ++i) {
      if (i + kAhead < occurrences) __builtin_prefetch(batch.values[batch.unique[i + kAhead]] + segment.first);
      sum += Weight(batch, i) * batch.values[batch.unique[i]][segment.first];
    }
    out.data[r * out.stride] = sum;
  }
}

template <typename T>
void PoolFieldsGradient(const TableBatch<T>& batch, Segment segment, Matrix<T> dout) {
  for (T* row : batch.gradients) row[segment.first] = 0;
  const std::size_t occurrences = batch.unique.size();
  for (std::size_t r = 0; r < dout.rows; ++r) {
    const T gradient = dout.data[r * dout.stride];
    const std::size_t end = Begin(batch, (r + 1) * segment.fields);
    for (std::size_t i = Begin(batch, r * segment.fields); i < end; ++i) {
      if (i + kAhead < occurrences) __builtin_prefetch(batch.gradients[batch.unique[i + kAhead]] + segment.first, 1);
      batch.gradients[batch.unique[i]][segment.first] += Weight(batch, i) * gradient;
    }
  }
}

// ---- factorization machine -----------------------------------------------------------------------------------------

template <typename T>
void Interaction(Matrix<T> x, Matrix<T> sums, Matrix<T> out) {
  const std::size_t dim = sums.cols, fields = x.cols / dim;
  for (std::size_t r = 0; r < x.rows; ++r) {
    const T* __restrict row = x.data + r * x.stride;
    T* __restrict sum = sums.data + r * sums.stride;
    T total = 0;
    std::fill_n(sum, dim, T{0});
    // Squares are summed by lane of d too, 16 lanes at a time, so that both loops vectorize.
    for (std::size_t first = 0; first < dim; first += 16) {
      const std::size_t lanes = std::min<std::size_t>(16, dim - first);
      T squares[16] = {};
      for (std::size_t f = 0; f < fields; ++f) {
        const T* __restrict v = row + f * dim + first;
        for (std::size_t d = 0; d < lanes; ++d) {
          sum[first + d] += v[d];
          squares[d] += v[d] * v[d];
        }
      }
      for (std::size_t d = 0; d < lanes; ++d) total += sum[first + d] * sum[first + d] - squares[d];
    }
    out.data[r * out.stride] = total * static_cast<T>(0.5);
  }
}

template <typename T>
void InteractionGradient(Matrix<T> x, Matrix<T> sums, Matrix<T> dout, Matrix<T> dx, bool add) {
  const std::size_t dim = sums.cols, fields = x.cols / dim;
  for (std::size_t r = 0; r < x.rows; ++r) {
    const T* __restrict sum = sums.data + r * sums.stride;
    const T gradient = dout.data[r * dout.stride];
    for (std::size_t f = 0; f < fields; ++f) {
      const T* __restrict v = x.data + r * x.stride + f * dim;
      T* __restrict dv = dx.data + r * dx.stride + f * dim;
      if (add) {
        for (std::size_t d = 0; d < dim; ++d) dv[d] += gradient * (sum[d] - v[d]);
      } else {
        for (std::size_t d = 0; d < dim; ++d) dv[d] = gradient * (sum[d] - v[d]);
      }
    }
  }
}

// ---- batch normalization -------------------------------------------------------------------------------------------

constexpr std::size_t kPanel = 64;  // columns whose double sums stay in registers or the first cache

template <typename T>
void Moments(Matrix<T> x, T* mean, T* variance) {
  for (std::size_t first = 0; first < x.cols; first += kPanel) {
    const std::size_t cols = std::min(kPanel, x.cols - first);
    double sum[kPanel] = {}, squares[kPanel] = {}, center[kPanel];
    for (std::size_t r = 0; r < x.rows; ++r) {
      const T* row = x.data + r * x.stride + first;
      for (std::size_t c = 0; c < cols; ++c) sum[c] += row[c];
    }
    for (std::size_t c = 0; c < cols; ++c) center[c] = sum[c] / x.rows;
    for (std::size_t r = 0; r < x.rows; ++r) {
      const T* row = x.data + r * x.stride + first;
      for (std::size_t c = 0; c < cols; ++c) squares[c] += (row[c] - center[c]) * (row[c] - center[c]);
    }
    for (std::size_t c = 0; c < cols; ++c) {
      mean[first + c] = static_cast<T>(center[c]);
      variance[first + c] = static_cast<T>(squares[c] / x.rows);
    }
  }
}

template <typename T>
void Normalize(Matrix<T> x, const T* __restrict mean, const T* __restrict inverse_deviation, const T* __restrict scale,
               const T* __restrict shift, Matrix<T> y) {
  for (std::size_t r = 0; r < x.rows; ++r) {
    const T* __restrict in = x.data + r * x.stride;
    T* __restrict out = y.data + r * y.stride;
    for (std::size_t c = 0; c < x.cols; ++c) out[c] = (in[c] - mean[c]) * inverse_deviation[c] * scale[c] + shift[c];
  }
}

template <typename T>
void NormalizeGradient(Matrix<T> x, const T* mean, const T* inverse_deviation, const T* scale, Matrix<T> dy, T* dscale,
                       T* dshift, Matrix<T> dx, bool add) {
  for (std::size_t first = 0; first < x.cols; first += kPanel) {
    const std::size_t cols = std::min(kPanel, x.cols - first);
    double sum[kPanel] = {}, dot[kPanel] = {};
    T mean_dy[kPanel], mean_dot[kPanel], rate[kPanel];
    for (std::size_t r = 0; r < x.rows; ++r) {
      const T* in = x.data + r * x.stride + first;
      const T* gradient = dy.data + r * dy.stride + first;
      for (std::size_t c = 0; c < cols; ++c) {
        sum[c] += gradient[c];
        dot[c] += gradient[c] * ((in[c] - mean[first + c]) * inverse_deviation[first + c]);
      }
    }
    for (std::size_t c = 0; c < cols; ++c) {
      dshift[first + c] = static_cast<T>(sum[c]);
      dscale[first + c] = static_cast<T>(dot[c]);
      mean_dy[c] = static_cast<T>(sum[c] / x.rows);
      mean_dot[c] = static_cast<T>(dot[c] / x.rows) * inverse_deviation[first + c];
      rate[c] = inverse_deviation[first + c] * scale[first + c];
    }
    if (dx.data == nullptr) continue;
    for (std::size_t r = 0; r < x.rows; ++r) {
      const T* in = x.data + r * x.stride + first;
      const T* gradient = dy.data + r * dy.stride + first;
      T* __restrict out = dx.data + r * dx.stride + first;
      for (std::size_t c = 0; c < cols; ++c) {
        const T g = rate[c] * (gradient[c] - mean_dy[c] - (in[c] - mean[first + c]) * mean_dot[c]);
        out[c] = add ? out[c] + g : g;
      }
    }
  }
}

// ---- dropout -------------------------------------------------------------------------------------------------------

template <typename T>
void DropoutMask(const std::uint64_t* row_hash, std::uint32_t drop, Matrix<T> mask) {
  const T keep = T{1} / (T{1} - static_cast<T>(drop) / T{65536});
  for (std::size_t r = 0; r < mask.rows; ++r) {
    T* __restrict row = mask.data + r * mask.stride;
    std::size_t c = 0;
    for (; c + 4 <= mask.cols; c += 4) {  // 16 bits of a hash an element
      const std::uint64_t bits = Mix(row_hash[r], c / 4);
      for (std::size_t k = 0; k < 4; ++k) row[c + k] = (bits >> (16 * k) & 0xffff) < drop ? T{0} : keep;
    }
    for (; c < mask.cols; ++c) row[c] = (Mix(row_hash[r], c / 4) >> (16 * (c % 4)) & 0xffff) < drop ? T{0} : keep;
  }
}

// ---- loss ----------------------------------------------------------------------------------------------------------

template <typename T>
HWY_ATTR void Softmax(Matrix<T> x, T* log_sums) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> one;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t r = 0; r < x.rows; ++r) {
    T* row = x.data + r * x.stride;
    const T most = *std::max_element(row, row + x.cols);
    auto sums = hn::Zero(d);
    T sum = 0;
    std::size_t c = 0;
    for (; c + lanes <= x.cols; c += lanes) {
      const auto e = hn::Exp(d, hn::Sub(hn::LoadU(d, row + c), hn::Set(d, most)));
      sums = hn::Add(sums, e);
      hn::StoreU(e, d, row + c);
    }
    for (; c < x.cols; ++c) {
      hn::StoreU(hn::Exp(one, hn::Sub(hn::LoadU(one, row + c), hn::Set(one, most))), one, row + c);
      sum += row[c];
    }
    sum += hn::GetLane(hn::SumOfLanes(d, sums));
    log_sums[r] = most + std::log(sum);
    const T share = 1 / sum;
    for (c = 0; c < x.cols; ++c) row[c] *= share;
  }
}

// One vector of rows: losses into `loss`, gradients into `dz`.
template <class D, typename T = hn::TFromD<D>>
HWY_ATTR void LogLossOf(D d, const T* z, const T* label, T* loss, T* dz) {
  const auto zero = hn::Zero(d), one = hn::Set(d, T{1});
  const auto logit = hn::LoadU(d, z), y = hn::LoadU(d, label);
  const auto e = hn::Exp(d, hn::Neg(hn::Abs(logit)));  // in (0, 1]: no overflow
  const auto sigmoid = hn::Div(hn::IfThenElse(hn::Ge(logit, zero), one, e), hn::Add(one, e));
  const auto positive = hn::IfThenElse(hn::Lt(logit, zero), zero, logit);  // a NaN stays one
  hn::StoreU(hn::Add(hn::Sub(positive, hn::Mul(logit, y)), hn::Log1p(d, e)), d, loss);
  hn::StoreU(hn::Sub(sigmoid, y), d, dz);
}

template <typename T>
HWY_ATTR double LogLoss(std::uint32_t n, const T* z, const float* labels, const float* weights, T* dz) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> one;
  constexpr std::uint32_t kBlock = 64;  // a multiple of any number of lanes
  double total = 0;
  for (std::uint32_t first = 0; first < n; first += kBlock) {
    const std::uint32_t count = std::min(kBlock, n - first);
    T label[kBlock], loss[kBlock];
    for (std::uint32_t i = 0; i < count; ++i) label[i] = static_cast<T>(labels[first + i]);
    std::uint32_t i = 0;
    for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d))
      LogLossOf(d, z + first + i, label + i, loss + i, dz + first + i);
    for (; i < count; ++i) LogLossOf(one, z + first + i, label + i, loss + i, dz + first + i);
    for (i = 0; i < count; ++i) {
      const T weight = weights == nullptr ? T{1} : static_cast<T>(weights[first + i]);
      total += static_cast<double>(weight) * loss[i];
      dz[first + i] *= weight;
    }
  }
  return total;
}

template <typename T>
constexpr Kernels<T> kKernels = {
    .bias_activation = BiasActivation<T>,
    .activation_gradient = ActivationGradient<T>,
    .pool = Pool<T>,
    .pool_gradient = PoolGradient<T>,
    .pool_fields = PoolFields<T>,
    .pool_fields_gradient = PoolFieldsGradient<T>,
    .interaction = Interaction<T>,
    .interaction_gradient = InteractionGradient<T>,
    .moments = Moments<T>,
    .normalize = Normalize<T>,
    .normalize_gradient = NormalizeGradient<T>,
    .dropout_mask = DropoutMask<T>,
    .softmax = Softmax<T>,
    .log_loss = LogLoss<T>,
};

const Kernels<float>* FloatKernels() { return &kKernels<float>; }
const Kernels<double>* DoubleKernels() { return &kKernels<double>; }

}  // namespace HWY_NAMESPACE
}  // namespace sherd::nn
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd::nn {
HWY_EXPORT(FloatKernels);
HWY_EXPORT(DoubleKernels);

template <>
const Kernels<float>& Kernels<float>::Best() {
  return *HWY_DYNAMIC_DISPATCH(FloatKernels)();
}
template <>
const Kernels<double>& Kernels<double>::Best() {
  return *HWY_DYNAMIC_DISPATCH(DoubleKernels)();
}

}  // namespace sherd::nn
#endif
