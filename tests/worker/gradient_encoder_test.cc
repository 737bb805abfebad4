#include "worker/gradient_encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

namespace sherd {
namespace {

constexpr std::uint32_t kFloats = 3, kKeys = 4;

proto::ModelSpec Spec() {
  proto::ModelSpec spec;
  proto::TableSpec* table = spec.add_table();
  table->set_name("t");
  table->add_segment()->set_dim(kFloats);
  proto::TensorSpec* tensor = spec.add_tensor();
  tensor->set_name("m");
  tensor->set_rows(10);
  tensor->set_cols(13);
  return spec;
}

Work MakeWork(std::uint64_t clock) {
  Work work;
  work.clock = clock;
  UniqueKeys& unique = work.keys.emplace_back();
  unique.keys.Resize(kKeys);
  for (std::uint32_t i = 0; i < kKeys; ++i) unique.keys[i] = 10 + i;
  work.gradients.emplace_back(kKeys * kFloats);
  for (std::size_t i = 0; i < kKeys * kFloats; ++i) work.gradients[0][i] = UnitFloat(Mix(1, i)) - 0.5f;
  work.dense_gradients.emplace_back(130);
  for (std::size_t i = 0; i < 130; ++i) work.dense_gradients[0][i] = UnitFloat(Mix(clock, i)) * 0.01f;
  work.dense_gradients[0][64] = 1;  // coarse steps for its group
  return work;
}

class GradientEncoderTest : public ::testing::TestWithParam<proto::Encoding> {
 protected:
  std::vector<float> Blocks(const GradientEncoder& encoder, const Work& work) const {
    std::vector<float> values(130);
    layout_.dense_codecs[0].Decode(GetParam(), encoder.Blocks(work, 0), values.data());
    return values;
  }
  std::vector<float> Row(const GradientEncoder& encoder, const Work& work, std::size_t i) const {
    std::vector<float> values(kFloats);
    layout_.row_codecs[0].Decode(GetParam(), encoder.Rows(work, 0, i), values.data());
    return values;
  }

  const ParameterLayout layout_{Spec(), 1};
};

TEST_P(GradientEncoderTest, WhatDenseBlocksLoseComesWithTheNextOnes) {
  GradientEncoder encoder(GetParam(), &layout_, 0);
  std::vector<double> wanted(130), sent(130);
  double furthest = 0;
  for (std::uint64_t clock = 0; clock < 200; ++clock) {
    Work work = MakeWork(clock);
    encoder.Encode(&work);
    const std::vector<float> values = Blocks(encoder, work);
    for (std::size_t i = 0; i < 130; ++i) {
      wanted[i] += work.dense_gradients[0][i];
      sent[i] += values[i];
      furthest = std::max(furthest, std::abs(wanted[i] - sent[i]));
    }
  }
  EXPECT_LT(furthest, 1.01 / 127) << "never further than a step, however many there were";
}

TEST_P(GradientEncoderTest, ForgettingMakesItLikeNew) {
  GradientEncoder old(GetParam(), &layout_, 0), fresh(GetParam(), &layout_, 0);
  for (std::uint64_t clock = 0; clock < 3; ++clock) {
    Work work = MakeWork(clock);
    old.Encode(&work);
  }
  old.Forget();
  Work a = MakeWork(3), b = MakeWork(3);
  old.Encode(&a);
  fresh.Encode(&b);
  EXPECT_EQ(Blocks(old, a), Blocks(fresh, b));
}

TEST_P(GradientEncoderTest, RowsAreAFunctionOfWorkerClockAndKey) {
  GradientEncoder one(GetParam(), &layout_, 0), other(GetParam(), &layout_, 1);
  Work a = MakeWork(5), again = MakeWork(5), later = MakeWork(6), elsewhere = MakeWork(5);
  one.Encode(&a);
  one.Encode(&again);
  one.Encode(&later);
  other.Encode(&elsewhere);
  bool differs_later = false, differs_elsewhere = false;
  for (std::size_t i = 0; i < kKeys; ++i) {
    EXPECT_EQ(Row(one, a, i), Row(one, again, i));
    differs_later |= Row(one, a, i) != Row(one, later, i);
    differs_elsewhere |= Row(one, a, i) != Row(other, elsewhere, i);
    for (std::size_t j = 0; j < kFloats; ++j) {
      EXPECT_NEAR(Row(one, a, i)[j], a.gradients[0][i * kFloats + j], 0.5 / 100);
    }
  }
  EXPECT_TRUE(differs_later);
  EXPECT_TRUE(differs_elsewhere);
}

TEST_P(GradientEncoderTest, ABlockThatIsNoNumberSpoilsNoLaterOne) {
  GradientEncoder encoder(GetParam(), &layout_, 0);
  Work bad = MakeWork(0), good = MakeWork(1);
  bad.dense_gradients[0][3] = std::numeric_limits<float>::quiet_NaN();
  encoder.Encode(&bad);
  EXPECT_TRUE(std::isnan(Blocks(encoder, bad)[3]));
  encoder.Encode(&good);
  for (const float value : Blocks(encoder, good)) EXPECT_TRUE(std::isfinite(value));
}

INSTANTIATE_TEST_SUITE_P(Encodings, GradientEncoderTest, ::testing::Values(proto::BF16, proto::INT8));

}  // namespace
}  // namespace sherd
