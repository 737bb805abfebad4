#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <vector>

#include "models/nn/loss.h"
#include "tests/models/testing_graph.h"

namespace sherd::nn {
namespace {

// Rendle et al. 2009: -ln sigmoid(x_ui - x_uj), here of two negatives, and counted for each of the group's three rows.
TEST(BprLossTest, GradientAndFormula) {
  constexpr std::uint32_t kRows = 150, kGroup = 3;
  std::vector<float> labels(kRows), weights(kRows);
  std::vector<double> z(kRows), dz(kRows);
  for (std::uint32_t i = 0; i < kRows; ++i) weights[i] = static_cast<float>(i % 4), z[i] = 9 * Value(1, i);
  Activation<double> scores = {.name = "z", .cols = 1, .data = z.data(), .gradient = dz.data(), .stride = 1};
  Batch<double> batch;
  batch.rows = kRows;
  batch.labels = labels;
  batch.weights = weights;
  batch.group_rows = kGroup;
  const Step<double> step = {&batch, kRows, true, 0, &Kernels<double>::Best()};
  const double loss = Loss(proto::Model::BPR, step, scores);
  double expected = 0;
  for (std::uint32_t i = 0; i < kRows; i += kGroup) {
    for (std::uint32_t j = i + 1; j < i + kGroup; ++j)
      expected += weights[i] * kGroup / 2.0 * -std::log(1 / (1 + std::exp(z[j] - z[i])));
  }
  EXPECT_NEAR(loss, expected, 1e-11 * expected);
  std::vector<double*> x;
  for (double& v : z) x.push_back(&v);
  const std::vector<double> gradients = dz;
  CheckGradients(
      "scores", x, gradients, [&] { return Loss(proto::Model::BPR, step, scores); }, 1e-6);
}

// Zhang et al. 2013: of three negatives the one that scores highest, as if it had been drawn alone.
TEST(BprLossTest, TheHardestNegativeAlone) {
  std::vector<double> z = {1, 0, 3, 2, 5, 1, 1, 0}, dz(8), pairs = {1, 3, 5, 1}, dpairs(4);
  std::vector<float> labels(8);
  Activation<double> scores = {.name = "z", .cols = 1, .data = z.data(), .gradient = dz.data(), .stride = 1};
  Activation<double> alone = {.name = "z", .cols = 1, .data = pairs.data(), .gradient = dpairs.data(), .stride = 1};
  Batch<double> batch;
  batch.rows = 8;
  batch.group_rows = 4;
  batch.labels = labels;
  const double loss =
      Loss(proto::Model::BPR, {&batch, 8, true, 0, &Kernels<double>::Best()}, scores, Negatives::kHardest);
  batch.rows = 4;
  batch.group_rows = 2;
  batch.labels = std::span(labels).first(4);
  // A group counts as many times as it has rows.
  EXPECT_DOUBLE_EQ(loss, 2 * Loss(proto::Model::BPR, {&batch, 4, true, 0, &Kernels<double>::Best()}, alone));
  EXPECT_EQ(dz, (std::vector<double>{2 * dpairs[0], 0, 2 * dpairs[1], 0, 2 * dpairs[2], 2 * dpairs[3], 0, 0}));
}

TEST(BprLossTest, HugeMarginsStayFinite) {
  std::vector<float> z = {-1e30f, 1e30f, 1e30f, -1e30f}, dz(4), labels(4);
  Activation<float> scores = {.name = "z", .cols = 1, .data = z.data(), .gradient = dz.data(), .stride = 1};
  Batch<float> batch;
  batch.rows = 4;
  batch.labels = labels;
  batch.group_rows = 2;
  const double loss = Loss(proto::Model::BPR, {&batch, 4, true, 0, &Kernels<float>::Best()}, scores);
  EXPECT_FLOAT_EQ(static_cast<float>(loss), 4e30f);
  EXPECT_EQ(dz, (std::vector<float>{-2, 2, 0, 0}));
}

}  // namespace
}  // namespace sherd::nn
