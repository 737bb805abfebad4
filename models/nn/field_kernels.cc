#include "models/nn/field_kernels.h"

#include <algorithm>

// The file includes itself once a SIMD target; its plain loops are vectorized by the compiler for that target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/nn/field_kernels.cc"
// In this order: foreach_target includes the whole file for each target but one, and the rest is compiled for that.
// clang-format off
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace sherd::nn {
namespace HWY_NAMESPACE {

// ---- bi-interaction ------------------------------------------------------------------------------------------------

// y holds the squares until the last loop.
template <typename T>
void PoolPairs(Matrix<T> x, Matrix<T> sums, Matrix<T> y) {
  const std::size_t dim = y.cols, fields = x.cols / dim;
  for (std::size_t r = 0; r < x.rows; ++r) {
    T* __restrict sum = sums.data + r * sums.stride;
    T* __restrict out = y.data + r * y.stride;
    std::fill_n(sum, dim, T{0});
    std::fill_n(out, dim, T{0});
    for (std::size_t f = 0; f < fields; ++f) {
      const T* __restrict v = x.data + r * x.stride + f * dim;
      for (std::size_t d = 0; d < dim; ++d) {
        sum[d] += v[d];
        out[d] += v[d] * v[d];
      }
    }
    for (std::size_t d = 0; d < dim; ++d) out[d] = (sum[d] * sum[d] - out[d]) * static_cast<T>(0.5);
  }
}

// By x[f, d]: dy[d] * (sum of x[., d] - x[f, d]).
template <typename T>
void PoolPairsGradient(Matrix<T> x, Matrix<T> sums, Matrix<T> dy, Matrix<T> dx, bool add) {
  const std::size_t dim = dy.cols, fields = x.cols / dim;
  for (std::size_t r = 0; r < x.rows; ++r) {
    const T* __restrict sum = sums.data + r * sums.stride;
    const T* __restrict gradient = dy.data + r * dy.stride;
    for (std::size_t f = 0; f < fields; ++f) {
      const T* __restrict v = x.data + r * x.stride + f * dim;
      T* __restrict dv = dx.data + r * dx.stride + f * dim;
      if (add) {
        for (std::size_t d = 0; d < dim; ++d) dv[d] += gradient[d] * (sum[d] - v[d]);
      } else {
        for (std::size_t d = 0; d < dim; ++d) dv[d] = gradient[d] * (sum[d] - v[d]);
      }
    }
  }
}

// ---- field-aware ---------------------------------------------------------------------------------------------------

constexpr std::size_t kLanes = 16;  // sums of a dot product that run side by side, so that it vectorizes

template <typename T>
void AddProducts(const T* __restrict a, const T* __restrict b, std::size_t n, T* __restrict lanes) {
  for (std::size_t first = 0; first < n; first += kLanes) {
    const std::size_t count = std::min(kLanes, n - first);
    for (std::size_t i = 0; i < count; ++i) lanes[i] += a[first + i] * b[first + i];
  }
}

template <typename T>
void FieldAware(Matrix<T> x, std::size_t fields, Matrix<T> y) {
  const std::size_t width = x.cols / fields, dim = width / fields;
  for (std::size_t r = 0; r < x.rows; ++r) {
    const T* row = x.data + r * x.stride;
    T lanes[kLanes] = {};
    for (std::size_t f = 0; f < fields; ++f) {
      for (std::size_t g = f + 1; g < fields; ++g) {
        AddProducts(row + f * width + g * dim, row + g * width + f * dim, dim, lanes);
      }
    }
    T sum = 0;
    for (const T lane : lanes) sum += lane;
    y.data[r * y.stride] = sum;
  }
}

// By x[f, g]: dy * x[g, f].
template <typename T>
void FieldAwareGradient(Matrix<T> x, std::size_t fields, Matrix<T> dy, Matrix<T> dx, bool add) {
  const std::size_t width = x.cols / fields, dim = width / fields;
  for (std::size_t r = 0; r < x.rows; ++r) {
    const T gradient = dy.data[r * dy.stride];
    for (std::size_t f = 0; f < fields; ++f) {
      for (std::size_t g = 0; g < fields; ++g) {
        const T factor = f == g ? T{0} : gradient;
        const T* __restrict v = x.data + r * x.stride + g * width + f * dim;
        T* __restrict dv = dx.data + r * dx.stride + f * width + g * dim;
        if (add) {
          for (std::size_t d = 0; d < dim; ++d) dv[d] += factor * v[d];
        } else {
          for (std::size_t d = 0; d < dim; ++d) dv[d] = factor * v[d];
        }
      }
    }
  }
}

template <typename T>
constexpr FieldKernels<T> kFieldKernels = {
    .pool_pairs = PoolPairs<T>,
    .pool_pairs_gradient = PoolPairsGradient<T>,
    .field_aware = FieldAware<T>,
    .field_aware_gradient = FieldAwareGradient<T>,
};

const FieldKernels<float>* FloatFieldKernels() { return &kFieldKernels<float>; }
const FieldKernels<double>* DoubleFieldKernels() { return &kFieldKernels<double>; }

}  // namespace HWY_NAMESPACE
}  // namespace sherd::nn
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd::nn {
HWY_EXPORT(FloatFieldKernels);
HWY_EXPORT(DoubleFieldKernels);

template <>
const FieldKernels<float>& FieldKernels<float>::Best() {
  return *HWY_DYNAMIC_DISPATCH(FloatFieldKernels)();
}
template <>
const FieldKernels<double>& FieldKernels<double>::Best() {
  return *HWY_DYNAMIC_DISPATCH(DoubleFieldKernels)();
}

}  // namespace sherd::nn
#endif
