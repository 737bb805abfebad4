#include "worker/private_gradients.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tests/models/test_data.h"

namespace sherd {
namespace {

using Data = TestData<float>;
constexpr char kModel[] = R"(model { name: "deepfm" embedding_dim: 3 tower { hidden: 7 activation: TANH } })";

// All gradients of a batch, one behind the other: those of the networks, and then those of the tables' rows.
class PrivateGradientsTest : public testing::TestWithParam<Data::Lookups> {
 protected:
  PrivateGradientsTest() : job_(JobOf(std::string(kClicks) + kModel)), model_(MakeTestModel<float>(job_, 9)) {
    for (std::uint64_t key = 0; key < Data::kUnique; ++key) keys_.push_back(100 + key);
  }

  std::vector<float> All(const Data& data) const {
    std::vector<float> all(model_->gradients().begin(), model_->gradients().end());
    const std::vector<float> rows = data.gradients();
    all.insert(all.end(), rows.begin(), rows.end());
    return all;
  }
  std::vector<float> Plain(const std::vector<std::uint64_t>& ids) {
    Data data(job_, ids, GetParam());
    const Batch<float> batch = data.batch();
    model_->Forward(batch, Model<float>::Mode::kTrain);
    model_->Loss(batch);
    model_->Backward(batch);
    return All(data);
  }
  std::vector<float> Private(const std::vector<std::uint64_t>& ids, double clip, double noise, std::uint64_t name = 1) {
    proto::DifferentialPrivacy dp;
    dp.set_clip_norm(clip);
    dp.set_noise_multiplier(noise);
    Data data(job_, ids, GetParam());
    const Batch<float> batch = data.batch();
    std::vector<PrivateGradients::Keys> keys;
    for (const proto::TableSpec& table : model_->spec().table()) {
      std::uint32_t floats = 0;
      for (const auto& segment : table.segment()) floats += segment.dim();
      keys.push_back({keys_, floats});
    }
    PrivateGradients gradients(&dp, 5);
    gradients.Sum(batch, keys, name, model_.get());
    gradients.Sum(batch, keys, name, model_.get());  // nothing of a batch is left behind
    return All(data);
  }

  const proto::Job job_;
  const std::unique_ptr<Model<float>> model_;
  std::vector<Key> keys_;
};
INSTANTIATE_TEST_SUITE_P(Lookups, PrivateGradientsTest, testing::Values(Data::Lookups::kOne, Data::Lookups::kMany));

double Norm(const std::vector<float>& values) {
  double squares = 0;
  for (const float v : values) squares += double{v} * v;
  return std::sqrt(squares);
}

TEST_P(PrivateGradientsTest, WithoutClippingAndNoiseAreTheGradients) {
  const std::vector<std::uint64_t> ids = {1, 2, 3, 4, 5, 6, 7};
  const std::vector<float> expected = Plain(ids), sum = Private(ids, 1e6, 0);
  ASSERT_EQ(sum.size(), expected.size());
  for (std::size_t i = 0; i < sum.size(); ++i) EXPECT_NEAR(sum[i], expected[i], 1e-5) << i;
}

TEST_P(PrivateGradientsTest, EachRowCountsAtMostItsNorm) {
  constexpr double kClip = 0.3;
  const std::vector<std::uint64_t> ids = {1, 2, 3, 4, 5, 6, 7};
  std::vector<double> expected;
  int clipped = 0;
  for (const std::uint64_t id : ids) {
    const std::vector<float> one = Plain({id});
    const double norm = Norm(one), scale = std::min(1.0, kClip / norm);
    clipped += norm > kClip;
    expected.resize(one.size());
    for (std::size_t i = 0; i < one.size(); ++i) expected[i] += scale * one[i];
    EXPECT_LE(Norm(Private({id}, kClip, 0)), kClip * 1.00001);
  }
  EXPECT_GT(clipped, 2);
  const std::vector<float> sum = Private(ids, kClip, 0);
  for (std::size_t i = 0; i < sum.size(); ++i) EXPECT_NEAR(sum[i], expected[i], 1e-5) << i;
}

TEST_P(PrivateGradientsTest, NoiseIsOnEveryElementOfEveryRow) {
  constexpr double kClip = 0.25, kNoise = 4;
  const std::vector<float> exact = Private({1, 2}, kClip, 0);
  double sum = 0, squares = 0;
  std::set<float> values;
  std::size_t count = 0;
  for (std::uint64_t name = 0; name < 40; ++name) {
    const std::vector<float> noisy = Private({1, 2}, kClip, kNoise, name);
    for (std::size_t i = 0; i < noisy.size(); ++i, ++count) {
      const double noise = noisy[i] - exact[i];
      sum += noise;
      squares += noise * noise;
      values.insert(static_cast<float>(noise));
    }
  }
  const auto n = static_cast<double>(count);
  EXPECT_GT(count, 2000u);
  EXPECT_GT(values.size(), count * 99 / 100) << "no two elements have the same";
  EXPECT_NEAR(sum / n, 0, 5 * kClip * kNoise / std::sqrt(n));
  EXPECT_NEAR(std::sqrt(squares / n), kClip * kNoise, 5 * kClip * kNoise / std::sqrt(2 * n));
  EXPECT_EQ(Private({1, 2}, kClip, kNoise, 3), Private({1, 2}, kClip, kNoise, 3));
}

}  // namespace
}  // namespace sherd
