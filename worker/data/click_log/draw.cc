#include <cmath>

#include "base/hash.h"
#include "worker/data/click_log/portable_math.h"
#include "worker/data/click_log/truth.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/data/click_log/draw.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {

// Plain loops over lanes, which the compiler makes vectors of for each target: no sum and no product changes with them.

constexpr int kLanes = ClickTruth::kLanes, kTokens = ClickRow::kTokens;
constexpr int kTokenEnd = 32, kIntegerBegin = 24;  // whole vectors that have the lanes of one kind, and some others
constexpr int kSums = 8;
constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;
constexpr double kSqrt12 = 3.4641016151377544;

using Doubles = double[kLanes];
using Words = std::uint64_t[kLanes];

HWY_INLINE void DrawValues(const ClickTruth& truth, const double* uniform, double* value) {
  for (int k = 0; k < kTokenEnd; ++k) {
    const double base = 1.0 + truth.zipf_span[k] * uniform[k];
    value[k] = PortableExp2(PortableLog2(base) * truth.zipf_power[k]) - 1.0;
  }
  alignas(64) double size[kLanes - kIntegerBegin];
  for (int k = kIntegerBegin; k < kLanes; ++k) {
    const double odds = PortableLog2(uniform[k]) - PortableLog2(1.0 - uniform[k]);
    size[k - kIntegerBegin] = PortableExp2(truth.location[k] + truth.spread[k] * odds);
  }
  for (int k = kTokens; k < kLanes; ++k) value[k] = size[k - kIntegerBegin];
  for (int k = 0; k < kLanes; ++k) {
    const double cut = value[k] > truth.greatest[k] ? truth.greatest[k] : value[k];
    value[k] = WholePart(cut < 0 ? 0 : cut);
  }
}

// In a fixed order: by lanes modulo 8, and those as a tree.
HWY_INLINE double Sum(const double* lanes) {
  double sums[kSums] = {};
  for (int k = 0; k < kLanes; k += kSums) {
    for (int i = 0; i < kSums; ++i) sums[i] += lanes[k + i];
  }
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

// `bits` of a hash from `shift` on, as a number of mean 0 and deviation 1.
HWY_INLINE double Centred(std::uint64_t hash, int shift, int bits) {
  const std::uint64_t count = std::uint64_t{1} << bits;
  const double middle = (static_cast<double>(count) - 1) / 2;
  return (ToDouble((hash >> shift) & (count - 1)) - middle) * (kSqrt12 / static_cast<double>(count));
}

HWY_INLINE double Logit(const ClickTruth& truth, const double* value, const std::uint64_t* missing) {
  alignas(64) Doubles rarity, t = {}, lanes, squares;
  alignas(64) Words effect;
  for (int k = 0; k < kLanes; ++k) {
    const double by = 1.0 / std::sqrt(1.0 + value[k] * 1e-3);
    rarity[k] = missing[k] != 0 ? 1.0 : by;
    const std::uint64_t id = missing[k] | ToInteger(value[k]);
    effect[k] = Mix(truth.effect_seed[k] + id * kGolden);
  }
  for (int k = kIntegerBegin; k < kLanes; ++k) {
    const double standard = (PortableLog2(value[k] + 1.5) - truth.location[k]) * truth.by_spread[k];
    const double low = standard > 3 ? 3 : standard;
    t[k] = low < -3 ? -3 : low;
  }
  for (int k = 0; k < kLanes; ++k) {
    const double of_token = Centred(effect[k], 0, 16) * rarity[k] * truth.weight_size[k];
    const double of_integer = truth.slope[k] * t[k] + truth.bend[k] * (t[k] * t[k] - 1.0) * .70710678;
    lanes[k] = of_token + (missing[k] != 0 ? truth.missing_weight[k] : of_integer);
  }
  const double single = Sum(lanes);
  double pairs = 0;
  for (int f = 0; f < ClickTruth::kFactors; ++f) {
    for (int k = 0; k < kLanes; ++k) {
      const double of_token = Centred(effect[k], 16 + 12 * f, 12) * rarity[k] * truth.factor_size[k];
      lanes[k] = of_token + (missing[k] != 0 ? 0.0 : truth.factor_slope[f][k] * t[k]);
      squares[k] = lanes[k] * lanes[k];
    }
    // All pairs' products: half of (the square of the sum - the sum of the squares).
    const double sum = Sum(lanes);
    pairs += .5 * (sum * sum - Sum(squares));
  }
  return truth.bias + single + pairs;
}

// A bijection: distinct ranks of a column are distinct tokens. (The finalizer of MurmurHash3, A. Appleby.)
HWY_INLINE std::uint32_t Token(std::uint32_t rank, std::uint32_t seed) {
  std::uint32_t x = rank * 0x9e3779b1u ^ seed;
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}

HWY_INLINE void DrawRow(const ClickTruth& truth, std::uint64_t number, ClickRow* row) {
  alignas(64) Words missing;
  alignas(64) Doubles uniform, value;
  const std::uint64_t seed = Mix(number * 0xd1342543de82ef95 + truth.row_seed);
  for (int k = 0; k < kLanes; ++k) {
    const std::uint64_t hash = Mix(seed + static_cast<std::uint64_t>(k + 1) * kGolden);
    uniform[k] = (ToDouble(hash >> 24) + .5) * 0x1p-40;
    missing[k] = ToDouble(hash & 0xffffff) * 0x1p-24 < truth.missing[k] ? ~std::uint64_t{0} : 0;
  }
  DrawValues(truth, uniform, value);
  row->probability = PortableSigmoid(Logit(truth, value, missing));
  row->click = uniform[ClickTruth::kClick] < row->probability;
  row->missing_tokens = row->missing_integers = 0;
  for (int i = 0; i < kTokens; ++i) {
    row->tokens[i] = Token(static_cast<std::uint32_t>(ToInteger(value[i])), truth.token_seed[i]);
    row->missing_tokens |= static_cast<std::uint32_t>(missing[i] & 1) << i;
  }
  for (int i = 0; i < ClickRow::kIntegers; ++i) {
    const int lane = ClickTruth::kFirstInteger + i;
    row->integers[i] = static_cast<std::int32_t>(ToInteger(value[lane])) + truth.offset[i];
    row->missing_integers |= static_cast<std::uint32_t>(missing[lane] & 1) << i;
  }
}

void DrawRows(const ClickTruth& truth, std::uint64_t first_row, std::span<ClickRow> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) DrawRow(truth, first_row + i, &rows[i]);
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(DrawRows);

void DrawClickRows(const ClickTruth& truth, std::uint64_t first_row, std::span<ClickRow> rows) {
  HWY_DYNAMIC_DISPATCH(DrawRows)(truth, first_row, rows);
}

}  // namespace sherd
#endif  // HWY_ONCE
