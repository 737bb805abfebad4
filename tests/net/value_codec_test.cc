#include "net/value_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/hash.h"

namespace sherd {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

ValueCodec RowOf(std::vector<std::uint32_t> dims) {
  proto::TableSpec table;
  for (const std::uint32_t dim : dims) table.add_segment()->set_dim(dim);
  return ValueCodec::OfRow(table);
}

std::vector<int> Encoded(const ValueCodec& codec, proto::Encoding encoding, const std::vector<float>& values,
                         std::optional<std::uint64_t> noise = {}) {
  std::vector<std::byte> bytes(codec.bytes(encoding));
  codec.Encode(encoding, values.data(), noise, bytes.data());
  std::vector<int> numbers;
  for (const std::byte byte : bytes) numbers.push_back(std::to_integer<int>(byte));
  return numbers;
}

std::vector<float> Decoded(const ValueCodec& codec, proto::Encoding encoding, const std::vector<int>& numbers) {
  std::vector<std::byte> bytes;
  for (const int number : numbers) bytes.push_back(static_cast<std::byte>(number));
  std::vector<float> values(codec.floats());
  codec.Decode(encoding, bytes.data(), values.data());
  return values;
}

std::vector<float> RoundTrip(const ValueCodec& codec, proto::Encoding encoding, const std::vector<float>& values,
                             std::optional<std::uint64_t> noise = {}) {
  return Decoded(codec, encoding, Encoded(codec, encoding, values, noise));
}

std::vector<float> RandomRow(std::size_t floats, std::uint64_t seed) {
  std::vector<float> row;
  for (std::size_t i = 0; i < floats; ++i) row.push_back(UnitFloat(Mix(seed, i)) - 0.5f);
  return row;
}

// Changing these bytes takes a new version of the wire format.
TEST(ValueCodecTest, GoldenBytes) {
  EXPECT_THAT(Encoded(RowOf({2}), proto::FP32, {1, -2}), ElementsAre(0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0));
  EXPECT_THAT(Encoded(RowOf({3}), proto::BF16, {1, -2, 1.00390625f}), ElementsAre(0x80, 0x3f, 0, 0xc0, 0x80, 0x3f));
  // Scales 1 and 2^-7; the second segment's are 127/128 and -1/128.
  EXPECT_THAT(Encoded(RowOf({3, 2}), proto::INT8, {127, -127, 3.4f, 0.9921875f, -0.0078125f}),
              ElementsAre(0x80, 0x3f, 127, 129, 3, 0x00, 0x3c, 127, 255));
  EXPECT_THAT(Encoded(RowOf({2}), proto::INT8, {0, 0}), ElementsAre(0, 0, 0, 0));
}

TEST(ValueCodecTest, BytesOfARowOfDeepFm) {
  const ValueCodec codec = RowOf({1, 16});
  EXPECT_EQ(codec.bytes(proto::FP32), 68u);
  EXPECT_EQ(codec.bytes(proto::BF16), 34u);
  EXPECT_EQ(codec.bytes(proto::INT8), 21u);
}

TEST(ValueCodecTest, BlocksHaveGroupsOfTheirOwnAndVectorsStayExact) {
  proto::ModelSpec model;
  proto::TensorSpec* matrix = model.add_tensor();
  matrix->set_name("m");
  matrix->set_rows(10);
  matrix->set_cols(110);  // a block of 1024 and one of 76
  proto::TensorSpec* bias = model.add_tensor();
  bias->set_name("b");
  bias->set_rows(1);
  bias->set_cols(10);
  const DenseLayout layout(model);
  const ValueCodec codec = ValueCodec::OfBlocks(model, layout.blocks());
  EXPECT_EQ(codec.floats(), 1110u);
  EXPECT_EQ(codec.bytes(proto::BF16), 2200u + 40);
  EXPECT_EQ(codec.bytes(proto::INT8), 1100u + 2 * 18 + 40);
  const std::vector<float> values = RandomRow(1110, 3);
  const std::vector<float> after = RoundTrip(codec, proto::INT8, values);
  for (std::size_t i = 0; i < 1100; ++i) EXPECT_NEAR(after[i], values[i], 0.51 * 0.5 / 127);
  EXPECT_TRUE(std::equal(after.begin() + 1100, after.end(), values.begin() + 1100));
}

TEST(ValueCodecTest, RoundsToTheNearest) {
  const ValueCodec codec = RowOf({1, 16});
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const std::vector<float> row = RandomRow(17, seed);
    const std::vector<float> half = RoundTrip(codec, proto::BF16, row), byte = RoundTrip(codec, proto::INT8, row);
    for (std::size_t i = 0; i < row.size(); ++i) {
      EXPECT_NEAR(half[i], row[i], std::abs(row[i]) / 256);
      EXPECT_NEAR(byte[i], row[i], 0.51f * 0.5f / 127);
    }
  }
}

TEST(ValueCodecTest, StochasticRoundingIsRightOnTheMeanAndAFunctionOfItsNoise) {
  const ValueCodec codec = RowOf({5});
  const std::vector<float> row = {1, 0.3003f, -0.20017f, 0.0011f, -1e-5f};
  for (const proto::Encoding encoding : {proto::BF16, proto::INT8}) {
    EXPECT_EQ(Encoded(codec, encoding, row, 7), Encoded(codec, encoding, row, 7));
    std::vector<double> sums(row.size());
    constexpr int kDraws = 20'000;
    for (int draw = 0; draw < kDraws; ++draw) {
      const std::vector<float> rounded = RoundTrip(codec, encoding, row, Mix(draw));
      for (std::size_t i = 0; i < row.size(); ++i) sums[i] += rounded[i];
    }
    const double step = encoding == proto::INT8 ? 1 / 127.0 : 1 / 256.0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      EXPECT_NEAR(sums[i] / kDraws, row[i], 4 * step / std::sqrt(kDraws)) << i << " " << encoding;
    }
  }
}

TEST(ValueCodecTest, WhatIsNoNumberIsNoneAfterwards) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  const ValueCodec codec = RowOf({2, 1});
  for (const float bad : {inf, -inf, nan}) {
    for (const proto::Encoding encoding : {proto::BF16, proto::INT8}) {
      for (const std::optional<std::uint64_t> noise : {std::optional<std::uint64_t>(), {5}}) {
        const std::vector<float> after = RoundTrip(codec, encoding, {1, bad, 3}, noise);
        EXPECT_FALSE(std::isfinite(after[1]));
        EXPECT_NEAR(after[2], 3, 0.03);
      }
    }
  }
}

TEST(ValueCodecTest, TheSmallestAndTheLargestComeBack) {
  const ValueCodec codec = RowOf({2});
  for (const float most : {1e-38f, 1e-30f, 1e-10f, 1e10f, 1e37f}) {
    const std::vector<float> after = RoundTrip(codec, proto::INT8, {most, -most / 2});
    const float step = std::max(most / 100, 0x1p-92f);
    EXPECT_NEAR(after[0], most, step);
    EXPECT_NEAR(after[1], -most / 2, step);
  }
}

TEST(ValueCodecTest, AnyBytesGiveFloats) {
  const ValueCodec codec = RowOf({3, 4});
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    for (const proto::Encoding encoding : {proto::BF16, proto::INT8}) {
      std::vector<int> bytes;
      for (std::size_t i = 0; i < codec.bytes(encoding); ++i) bytes.push_back(static_cast<int>(Mix(seed, i) & 255));
      EXPECT_EQ(Decoded(codec, encoding, bytes).size(), 7u);
    }
  }
}

}  // namespace
}  // namespace sherd
