#include "models/nn/in_batch_softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/models/testing_graph.h"

namespace sherd::nn {
namespace {

// The loss written out, of the rows' vectors.
double Formula(const Batch<double>& batch, const Activation<double>& user, const Activation<double>& item,
               const proto::InBatchSoftmax& options) {
  double loss = 0;
  for (std::uint32_t r = 0; r < batch.rows; ++r) {
    double sum = 0, own = 0;
    for (std::uint32_t j = 0; j < batch.rows; ++j) {
      if (j != r && batch.items[j] == batch.items[r]) continue;
      double score = 0;
      for (std::uint32_t c = 0; c < user.cols; ++c) {
        score += user.data[r * user.stride + c] * item.data[j * item.stride + c];
      }
      score /= options.temperature();
      if (options.correct_frequency()) score -= batch.log_shares[j];
      if (j == r) own = score;
      sum += std::exp(score);
    }
    loss += batch.weights[r] * (std::log(sum) - own);
  }
  return loss;
}

// More rows than a block has, and names that occur more than once.
TEST(InBatchSoftmaxTest, LossAndGradientsAreTheFormulas) {
  constexpr std::uint32_t kRows = 70, kCols = 5;
  std::vector<float> weights, log_shares;
  std::vector<std::uint64_t> items;
  for (std::uint32_t r = 0; r < kRows; ++r) {
    weights.push_back(static_cast<float>(r % 3));
    items.push_back(r % 50);
    log_shares.push_back(-1 - static_cast<float>(r % 50) / 10);
  }
  for (const bool correct : {false, true}) {
    proto::InBatchSoftmax options;
    options.set_temperature(0.6);
    options.set_correct_frequency(correct);
    Graph<double> graph;
    Activation<double>* user = Leaf(&graph, "user", kRows, kCols);
    Activation<double>* item = Leaf(&graph, "item", kRows, kCols);
    Activation<double>* y = InBatchSoftmax(&graph, "y", user, item, options);
    graph.Build(y, kRows);
    for (std::size_t i = 0; i < graph.parameters().size(); ++i) graph.parameters()[i] = Value(7, i);
    Batch<double> batch;
    batch.rows = kRows;
    batch.weights = weights;
    batch.items = items;
    batch.log_shares = log_shares;
    const Step<double> step = {&batch, kRows, true, 5, &Kernels<double>::Best()};
    const auto loss = [&] {
      graph.Forward(step);
      return graph.loss_head()->Loss(step);
    };
    const double at = loss();
    EXPECT_NEAR(at, Formula(batch, *user, *item, options), 1e-11 * at);
    for (std::uint32_t r = 0; r < kRows; ++r) {
      double dot = 0;
      for (std::uint32_t c = 0; c < kCols; ++c)
        dot += user->data[r * user->stride + c] * item->data[r * item->stride + c];
      ASSERT_NEAR(y->data[r * y->stride], dot, 1e-14) << "the output is the score itself";
    }
    graph.Backward(step);
    const std::vector<double> gradients(graph.gradients().begin(), graph.gradients().end());
    std::vector<double*> x;
    for (double& parameter : graph.parameters()) x.push_back(&parameter);
    CheckGradients("vectors", x, gradients, loss, 1e-6);
  }
}

TEST(SoftmaxKernelTest, RowsOfAnyWidthAndLargeElements) {
  for (const std::uint32_t cols : {1u, 5u, 16u, 37u}) {
    std::vector<float> x(2 * cols);
    for (std::uint32_t c = 0; c < cols; ++c) {
      x[c] = 900 + static_cast<float>(5 * Value(3, c));
      x[cols + c] = c == 0 ? 0 : -1e30f;
    }
    const std::vector<float> before = x;
    float log_sums[2];
    Kernels<float>::Best().softmax({x.data(), cols, 2, cols}, log_sums);
    double sum = 0;
    for (std::uint32_t c = 0; c < cols; ++c) sum += std::exp(static_cast<double>(before[c]) - 900);
    EXPECT_NEAR(log_sums[0], 900 + std::log(sum), 2e-4);
    for (std::uint32_t c = 0; c < cols; ++c) {
      EXPECT_NEAR(x[c], std::exp(static_cast<double>(before[c]) - 900) / sum, 1e-6);
      EXPECT_EQ(x[cols + c], c == 0 ? 1 : 0);
    }
    EXPECT_EQ(log_sums[1], 0);
  }
}

}  // namespace
}  // namespace sherd::nn
