#include "models/nn/neighbour_kernels.h"

#include <algorithm>

// The file includes itself once a SIMD target; its plain loops are vectorized by the compiler for that target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/nn/neighbour_kernels.cc"
// In this order: foreach_target includes the whole file for each target but one, and the rest is compiled for that.
// clang-format off
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace sherd::nn {
namespace HWY_NAMESPACE {

constexpr std::uint32_t kAhead = 8;  // edges whose rows are fetched ahead of their sums: rows lie anywhere
constexpr std::size_t kLineBytes = 64;

template <typename T>
void Fetch(const T* row, std::uint32_t cols) {
  const char* const bytes = reinterpret_cast<const char*>(row);
  for (std::size_t at = 0; at < cols * sizeof(T); at += kLineBytes) __builtin_prefetch(bytes + at);
}

template <typename T>
void AddRow(const T* __restrict from, T* __restrict to, std::uint32_t cols) {
  for (std::uint32_t c = 0; c < cols; ++c) to[c] += from[c];
}

template <typename T>
void Gather(const std::uint32_t* begin, const std::uint32_t* neighbour, Matrix<T> x, Matrix<T> y) {
  const std::uint32_t edges = y.rows == 0 ? 0 : begin[y.rows];
  for (std::uint32_t n = 0; n < y.rows; ++n) {
    T* const sum = y.data + n * y.stride;
    std::fill_n(sum, y.cols, T{0});
    for (std::uint32_t e = begin[n]; e < begin[n + 1]; ++e) {
      if (e + kAhead < edges) Fetch(x.data + neighbour[e + kAhead] * x.stride, x.cols);
      AddRow(x.data + neighbour[e] * x.stride, sum, y.cols);
    }
  }
}

template <typename T>
void Scatter(const std::uint32_t* begin, const std::uint32_t* neighbour, Matrix<T> x, Matrix<T> y) {
  const std::uint32_t edges = x.rows == 0 ? 0 : begin[x.rows];
  for (std::uint32_t n = 0; n < x.rows; ++n) {
    for (std::uint32_t e = begin[n]; e < begin[n + 1]; ++e) {
      if (e + kAhead < edges) Fetch(y.data + neighbour[e + kAhead] * y.stride, y.cols);
      AddRow(x.data + n * x.stride, y.data + neighbour[e] * y.stride, x.cols);
    }
  }
}

template <typename T>
constexpr NeighbourKernels<T> kNeighbourKernels = {.gather = Gather<T>, .scatter = Scatter<T>};

const NeighbourKernels<float>* FloatNeighbourKernels() { return &kNeighbourKernels<float>; }
const NeighbourKernels<double>* DoubleNeighbourKernels() { return &kNeighbourKernels<double>; }

}  // namespace HWY_NAMESPACE
}  // namespace sherd::nn
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd::nn {
HWY_EXPORT(FloatNeighbourKernels);
HWY_EXPORT(DoubleNeighbourKernels);

template <>
const NeighbourKernels<float>& NeighbourKernels<float>::Best() {
  return *HWY_DYNAMIC_DISPATCH(FloatNeighbourKernels)();
}
template <>
const NeighbourKernels<double>& NeighbourKernels<double>::Best() {
  return *HWY_DYNAMIC_DISPATCH(DoubleNeighbourKernels)();
}

}  // namespace sherd::nn
#endif
