#include "ps/initializer.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ps/initializer.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#ifndef SHERD_PS_INITIALIZER_TERMS_
#define SHERD_PS_INITIALIZER_TERMS_
namespace sherd {

constexpr std::uint64_t kMixStep = 0x9e3779b97f4a7c15ull;  // Mix(stream, i) = Mix(stream + kMixStep * (i + 1))

// A normal variable as the sum of eight uniform ones of 16 bits (Irwin-Hall), which needs no logarithm. The sum's mean
// is 8 * 65535 / 2 and its variance 8 * (65536² - 1) / 12; its tails end at 4.9 deviations.
constexpr double kSumMean = 8 * 65535 / 2;
constexpr double kSumVariance = 8.0 * (65536.0 * 65536.0 - 1) / 12;

}  // namespace sherd
#endif

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Hashes = hn::ScalableTag<std::uint64_t>;
using Doubles = hn::ScalableTag<double>;
using Floats = hn::Rebind<float, Doubles>;
constexpr std::size_t kLanes = hn::MaxLanes(Hashes());

template <class V>
HWY_INLINE V MixLanes(V x) {  // as Mix in base/hash.h
  const Hashes d;
  x = hn::Xor(x, hn::ShiftRight<30>(x));
  x = hn::Mul(x, hn::Set(d, 0xbf58476d1ce4e5b9ull));
  x = hn::Xor(x, hn::ShiftRight<27>(x));
  x = hn::Mul(x, hn::Set(d, 0x94d049bb133111ebull));
  return hn::Xor(x, hn::ShiftRight<31>(x));
}

// Whole numbers below 2^32, exactly: put below the leading bit of 2^52, which is then taken away with `offset`.
template <class V>
HWY_INLINE auto ToDoubles(V x, double offset) {
  const auto number = hn::Or(x, hn::Set(Hashes(), 0x4330000000000000ull));
  return hn::Sub(hn::BitCast(Doubles(), number), hn::Set(Doubles(), 0x1p52 + offset));
}

struct NormalLanes {
  static constexpr std::uint64_t kHashes = 2;  // an element

  template <class V>
  static HWY_INLINE auto Draw(V input, double scale) {
    const Hashes d;
    const auto a = MixLanes(input), b = MixLanes(hn::Add(input, hn::Set(d, kMixStep)));
    const auto mask = hn::Set(d, 0x0000ffff0000ffffull);
    const auto low = hn::Add(hn::And(a, mask), hn::And(b, mask));
    const auto high = hn::Add(hn::And(hn::ShiftRight<16>(a), mask), hn::And(hn::ShiftRight<16>(b), mask));
    const auto pairs = hn::Add(low, high);  // two sums of 32 bits
    const auto sum = hn::And(hn::Add(pairs, hn::ShiftRight<32>(pairs)), hn::Set(d, 0xffffffffull));
    return hn::Mul(ToDoubles(sum, kSumMean), hn::Set(Doubles(), scale));
  }
};

struct UniformLanes {
  static constexpr std::uint64_t kHashes = 1;

  template <class V>
  static HWY_INLINE auto Draw(V input, double scale) {
    const auto unit = hn::Mul(ToDoubles(hn::ShiftRight<40>(MixLanes(input)), 0), hn::Set(Doubles(), 0x1p-23));
    return hn::Mul(hn::Sub(unit, hn::Set(Doubles(), 1.0)), hn::Set(Doubles(), scale));
  }
};

template <class Lanes>
HWY_INLINE void FillWith(std::uint64_t stream, std::uint64_t first, double scale, float* out, std::size_t n) {
  const Hashes d;
  constexpr std::uint64_t kStep = kMixStep * Lanes::kHashes;
  HWY_ALIGN std::uint64_t starts[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) starts[i] = kStep * i;
  const std::uint64_t begin = stream + kStep * first + kMixStep;
  auto input = hn::Add(hn::Load(d, starts), hn::Set(d, begin));
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    hn::StoreU(hn::DemoteTo(Floats(), Lanes::Draw(input, scale)), Floats(), out + i);
    input = hn::Add(input, hn::Set(d, kStep * kLanes));
  }
  if (i == n) return;
  HWY_ALIGN float rest[kLanes];
  hn::StoreU(hn::DemoteTo(Floats(), Lanes::Draw(input, scale)), Floats(), rest);
  std::copy_n(rest, n - i, out + i);
}

void FillNormal(std::span<const std::uint64_t> streams, std::uint64_t first, double scale, std::size_t dim,
                float* const* outs, std::size_t offset) {
  for (std::size_t r = 0; r < streams.size(); ++r) {
    FillWith<NormalLanes>(streams[r], first, scale, outs[r] + offset, dim);
  }
}

void FillUniform(std::span<const std::uint64_t> streams, std::uint64_t first, double scale, std::size_t dim,
                 float* const* outs, std::size_t offset) {
  for (std::size_t r = 0; r < streams.size(); ++r) {
    FillWith<UniformLanes>(streams[r], first, scale, outs[r] + offset, dim);
  }
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(FillNormal);
HWY_EXPORT(FillUniform);

Initializer::Initializer(const proto::Initializer& spec, std::uint32_t fan_in, std::uint32_t fan_out) {
  switch (spec.kind()) {
    case proto::Initializer::ZERO:
      shape_ = Shape::kConstant, scale_ = 0;
      return;
    case proto::Initializer::CONSTANT:
      shape_ = Shape::kConstant, scale_ = spec.scale();
      return;
    case proto::Initializer::UNIFORM:
      shape_ = Shape::kUniform, scale_ = spec.scale();
      return;
    case proto::Initializer::NORMAL:
      shape_ = Shape::kNormal, scale_ = spec.scale() / std::sqrt(kSumVariance);
      return;
    case proto::Initializer::XAVIER:
      break;
  }
  shape_ = Shape::kUniform;
  scale_ = spec.scale() * std::sqrt(6.0 / (static_cast<double>(fan_in) + fan_out));
}

void Initializer::Fill(std::uint64_t stream, std::uint64_t first, std::span<float> out) const {
  float* const data = out.data();
  FillAll({&stream, 1}, first, out.size(), {&data, 1}, 0);
}

void Initializer::FillRows(std::span<const std::uint64_t> streams, std::uint64_t first, std::size_t dim,
                           std::span<float* const> rows) const {
  FillAll(streams, first, dim, rows, first);
}

// outs[i][offset, offset + dim) from streams[i].
void Initializer::FillAll(std::span<const std::uint64_t> streams, std::uint64_t first, std::size_t dim,
                          std::span<float* const> outs, std::size_t offset) const {
  switch (shape_) {
    case Shape::kConstant:
      for (float* out : outs) std::fill_n(out + offset, dim, static_cast<float>(scale_));
      return;
    case Shape::kUniform:
      return HWY_DYNAMIC_DISPATCH(FillUniform)(streams, first, scale_, dim, outs.data(), offset);
    case Shape::kNormal:
      return HWY_DYNAMIC_DISPATCH(FillNormal)(streams, first, scale_, dim, outs.data(), offset);
  }
}

}  // namespace sherd
#endif  // HWY_ONCE
