#include "ps/row_codec.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/hash.h"
#include "ps/embedding_table.h"

namespace sherd {
namespace {

using proto::RowStorage;

std::uint16_t EncodeOne(Precision precision, float value, Rounding rounding = {}) {
  std::uint16_t half;
  Encode(precision, {&value, 1}, rounding, reinterpret_cast<std::byte*>(&half));
  return half;
}

float DecodeOne(Precision precision, std::uint16_t half) {
  float value;
  Decode(precision, reinterpret_cast<const std::byte*>(&half), {&value, 1});
  return value;
}

// What 16 bits mean, by the definition of the formats and in double: the reference for all below.
double Meaning(Precision precision, std::uint16_t half) {
  const int fraction_bits = precision == RowStorage::BF16 ? 7 : 10;
  const int exponent_bits = 15 - fraction_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = half >> fraction_bits & ((1 << exponent_bits) - 1);
  const int fraction = half & ((1 << fraction_bits) - 1);
  const double sign = (half & 0x8000) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  const double whole = exponent == 0 ? 0 : 1;
  return sign * std::ldexp(whole + std::ldexp(fraction, -fraction_bits), std::max(exponent, 1) - bias);
}

std::uint16_t LargestFinite(Precision precision) { return precision == RowStorage::BF16 ? 0x7f7f : 0x7bff; }

// The two numbers of 16 bits around a magnitude, by bisection: they ascend with their bits.
std::pair<std::uint16_t, std::uint16_t> Neighbours(Precision precision, double magnitude) {
  std::uint16_t low = 0, high = LargestFinite(precision);
  if (Meaning(precision, high) <= magnitude) return {high, high};
  while (high - low > 1) {
    const std::uint16_t middle = static_cast<std::uint16_t>((low + high) / 2);
    (Meaning(precision, middle) <= magnitude ? low : high) = middle;
  }
  return {low, Meaning(precision, low) == magnitude ? low : high};
}

std::uint16_t NearestEven(Precision precision, float value) {
  const auto [low, high] = Neighbours(precision, std::abs(static_cast<double>(value)));
  const double below = std::abs(value) - Meaning(precision, low), above = Meaning(precision, high) - std::abs(value);
  const std::uint16_t nearest = below < above ? low : above < below ? high : low % 2 == 0 ? low : high;
  return static_cast<std::uint16_t>(nearest | (std::signbit(value) ? 0x8000 : 0));
}

class HalvesTest : public testing::TestWithParam<Precision> {
 protected:
  // A float whose magnitude both formats hold, of any exponent that they have.
  float Draw() {
    const double exponent = GetParam() == RowStorage::BF16 ? 250.0 : 42.0;
    const double lowest = GetParam() == RowStorage::BF16 ? -125.0 : -27.0;
    const double magnitude = std::exp2(lowest + exponent * UnitDouble(random_()));
    return static_cast<float>(random_() % 2 == 0 ? magnitude : -magnitude);
  }
  std::mt19937_64 random_{1};
};

INSTANTIATE_TEST_SUITE_P(Formats, HalvesTest, testing::Values(RowStorage::BF16, RowStorage::FP16),
                         [](const auto& info) { return RowStorage::Precision_Name(info.param); });

TEST_P(HalvesTest, AllBitsDecodeToWhatTheyMeanAndBack) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = DecodeOne(GetParam(), half);
    const double meaning = Meaning(GetParam(), half);
    if (std::isnan(meaning)) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(std::isnan(DecodeOne(GetParam(), EncodeOne(GetParam(), value)))) << bits;
      continue;
    }
    ASSERT_EQ(static_cast<double>(value), meaning) << bits;
    ASSERT_EQ(std::signbit(value), (half & 0x8000) != 0) << bits;
    if (!std::isfinite(value)) continue;
    ASSERT_EQ(EncodeOne(GetParam(), value), half);
    // What is a number of the format already is never moved.
    ASSERT_EQ(EncodeOne(GetParam(), value, {.stochastic = true, .noise = Mix(bits)}), half);
  }
}

TEST_P(HalvesTest, RoundsToTheNearestAndTiesToEven) {
  for (int i = 0; i < 200000; ++i) {
    const float value = Draw();
    ASSERT_EQ(EncodeOne(GetParam(), value), NearestEven(GetParam(), value)) << std::hexfloat << value;
  }
  // Every tie, and the floats next to it.
  for (std::uint16_t low = 0; low < LargestFinite(GetParam()); ++low) {
    const std::uint16_t high = static_cast<std::uint16_t>(low + 1);
    const float tie = static_cast<float>((Meaning(GetParam(), low) + Meaning(GetParam(), high)) / 2);
    ASSERT_EQ(EncodeOne(GetParam(), tie), low % 2 == 0 ? low : high) << low;
    ASSERT_EQ(EncodeOne(GetParam(), std::nextafter(tie, 0.0f)), low) << low;
    ASSERT_EQ(EncodeOne(GetParam(), std::nextafter(tie, std::numeric_limits<float>::infinity())), high) << low;
  }
}

TEST_P(HalvesTest, StochasticRoundingGivesOneOfTheTwoNeighboursAndTheValueOnAverage) {
  constexpr int kDraws = 4000;
  for (int i = 0; i < 100; ++i) {
    const float value = Draw();
    const auto [low, high] = Neighbours(GetParam(), std::abs(static_cast<double>(value)));
    if (low == high) continue;
    const double step = Meaning(GetParam(), high) - Meaning(GetParam(), low);
    const double share = (std::abs(static_cast<double>(value)) - Meaning(GetParam(), low)) / step;
    int up = 0;
    for (int draw = 0; draw < kDraws; ++draw) {
      const auto noise = Mix(7, static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(draw));
      const int half = EncodeOne(GetParam(), value, {.stochastic = true, .noise = noise}) & 0x7fff;
      ASSERT_TRUE(half == low || half == high) << std::hexfloat << value;
      up += half == high ? 1 : 0;
    }
    const double sigma = std::sqrt(kDraws * share * (1 - share));
    EXPECT_NEAR(up, kDraws * share, 5 * sigma + 1) << std::hexfloat << value;
  }
}

// The noise of a row is dealt to its floats: their roundings must not go together.
TEST_P(HalvesTest, FloatsOfARowAreRoundedIndependently) {
  constexpr std::size_t kFloats = 12;
  constexpr int kDraws = 4000;
  const float between = DecodeOne(GetParam(), 0x3c00) * (1 + (GetParam() == RowStorage::BF16 ? 0x1p-8f : 0x1p-11f));
  const std::vector<float> values(kFloats, between);
  std::array<std::array<int, kFloats>, kFloats> together{};
  std::array<std::uint16_t, kFloats> halves;
  for (int draw = 0; draw < kDraws; ++draw) {
    const Rounding rounding{.stochastic = true, .noise = static_cast<std::uint64_t>(draw)};
    Encode(GetParam(), values, rounding, reinterpret_cast<std::byte*>(halves.data()));
    for (std::size_t a = 0; a < kFloats; ++a) {
      for (std::size_t b = 0; b < a; ++b) together[a][b] += halves[a] == halves[b] ? 1 : 0;
    }
  }
  for (std::size_t a = 0; a < kFloats; ++a) {
    for (std::size_t b = 0; b < a; ++b) EXPECT_NEAR(together[a][b], kDraws / 2, 5 * std::sqrt(kDraws / 4.0));
  }
}

TEST(RowCodecTest, AHalfBeyondItsRangeIsTheLargestThereIs) {
  for (const float value : {65504.0f, 65519.9f, 65520.0f, 1e6f, std::numeric_limits<float>::infinity()}) {
    for (std::uint64_t noise = 0; noise < 100; ++noise) {
      ASSERT_EQ(EncodeOne(RowStorage::FP16, value, {.stochastic = noise > 0, .noise = noise}), 0x7bff) << value;
      ASSERT_EQ(EncodeOne(RowStorage::FP16, -value, {.stochastic = noise > 0, .noise = noise}), 0xfbff) << value;
    }
  }
}

TEST(RowCodecTest, Int8IsWithinHalfAStepOfItsScale) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 2000; ++round) {
    const std::size_t n = 1 + random() % 40;
    const float size = static_cast<float>(std::exp2(-40.0 + static_cast<double>(random() % 80)));
    std::vector<float> values(n), decoded(n);
    float most = 0;
    for (float& value : values) {
      value = size * (UnitFloat(random()) * 2 - 1);
      most = std::max(most, std::abs(value));
    }
    std::vector<std::byte> bytes(EncodedBytes(RowStorage::INT8, n));
    ASSERT_EQ(bytes.size(), 4 + n);
    Encode(RowStorage::INT8, values, {}, bytes.data());
    Decode(RowStorage::INT8, bytes.data(), decoded);
    for (std::size_t i = 0; i < n; ++i) ASSERT_NEAR(decoded[i], values[i], most / 127 / 2 * 1.0001) << size;
    // Once it is of the format it stays as it is.
    std::vector<float> again(n);
    Encode(RowStorage::INT8, decoded, {}, bytes.data());
    Decode(RowStorage::INT8, bytes.data(), again);
    for (std::size_t i = 0; i < n; ++i) ASSERT_NEAR(again[i], decoded[i], most * 1e-6);
  }
  std::vector<float> zeros(5), decoded(5, 1);
  std::vector<std::byte> bytes(9);
  Encode(RowStorage::INT8, zeros, {}, bytes.data());
  Decode(RowStorage::INT8, bytes.data(), decoded);
  EXPECT_EQ(decoded, zeros);
}

// A thousand steps of 1e-4 of the weight each: every one less than half of BF16's step, so that rounding to the nearest
// would lose them all.
TEST(RowCodecTest, StepsTooSmallForBf16AddUp) {
  constexpr std::size_t kKeys = 2000;
  constexpr int kSteps = 1000;
  proto::TableSpec spec;
  spec.set_name("t");
  spec.add_segment()->set_dim(1);
  spec.mutable_segment(0)->mutable_optimizer()->mutable_sgd()->set_learning_rate(1);
  spec.mutable_segment(0)->mutable_initializer()->set_kind(proto::Initializer::CONSTANT);
  spec.mutable_segment(0)->mutable_initializer()->set_scale(1.5);
  spec.mutable_storage()->set_weights(RowStorage::BF16);
  EmbeddingTable table(RowLayout::Make(spec).value(), 9, 0, kSlots);
  std::vector<Key> keys(kKeys);
  for (std::size_t i = 0; i < kKeys; ++i) keys[i] = i;
  const std::vector<float> gradients(kKeys, -1.5e-4f);
  float single = 1.5f, nearest = 1.5f;
  for (int step = 0; step < kSteps; ++step) {
    ASSERT_TRUE(table.Push(keys, gradients.data(), {.noise = static_cast<std::uint64_t>(step)}).ok());
    single += 1.5e-4f;
    nearest = DecodeOne(RowStorage::BF16, EncodeOne(RowStorage::BF16, nearest + 1.5e-4f));
  }
  std::vector<float> weights(kKeys);
  ASSERT_TRUE(table.Pull(keys, weights.data()).ok());
  double sum = 0;
  for (const float weight : weights) sum += weight;
  EXPECT_EQ(nearest, 1.5f);
  EXPECT_NEAR(single, 1.65, 1e-3);
  // A weight's deviation is about sqrt(steps * 1.5e-4 * 2^-7) = 0.034.
  EXPECT_NEAR(sum / kKeys, single, 5 * 0.034 / std::sqrt(kKeys));
}

}  // namespace
}  // namespace sherd
