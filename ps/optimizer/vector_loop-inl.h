// Included once for each SIMD target: no ordinary include guard.
#if defined(SHERD_PS_VECTOR_LOOP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SHERD_PS_VECTOR_LOOP_INL_H_
#undef SHERD_PS_VECTOR_LOOP_INL_H_
#else
#define SHERD_PS_VECTOR_LOOP_INL_H_
#endif

#include <cstddef>

#include "hwy/highway.h"

// Of the lambda given to ForEachVector: compiled for the target, and always a part of the loop.
#define SHERD_LOOP_BODY HWY_ATTR __attribute__((always_inline))

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Calls body(d, i) so that the vectors of tag d at i cover [0, n) and nothing else: whole vectors, then ever narrower
// ones. Bodies use Mul and Add but never MulAdd, which rounds once on some targets and twice on others.
template <class Body>
HWY_INLINE void ForEachVector(std::size_t n, const Body& body) {
  const hn::ScalableTag<float> wide;
  std::size_t i = 0;
  for (; i + hn::Lanes(wide) <= n; i += hn::Lanes(wide)) body(wide, i);
  if constexpr (hn::MaxLanes(hn::ScalableTag<float>()) > 8) {
    if (i + 8 <= n) body(hn::CappedTag<float, 8>(), i), i += 8;
  }
  if constexpr (hn::MaxLanes(hn::ScalableTag<float>()) > 4) {
    if (i + 4 <= n) body(hn::CappedTag<float, 4>(), i), i += 4;
  }
  for (; i < n; ++i) body(hn::CappedTag<float, 1>(), i);
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
