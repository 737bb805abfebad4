#include "models/nn/loss.h"

#include <glog/logging.h>

#include <algorithm>
#include <cmath>

namespace sherd::nn {
namespace {

template <typename T>
double SquaredError(const Step<T>& step, const Activation<T>& logits) {
  const Batch<T>& batch = *step.batch;
  double total = 0;
  for (std::uint32_t r = 0; r < step.rows; ++r) {
    const T error = logits.data[r] - static_cast<T>(batch.labels[r]);
    const T weight = batch.weights.empty() ? T{1} : static_cast<T>(batch.weights[r]);
    total += static_cast<double>(weight * error * error);
    logits.gradient[r] = 2 * weight * error;
  }
  return total;
}

template <typename T>
double PairwiseLoss(const Batch<T>& batch, const Activation<T>& scores) {
  const std::uint32_t group = batch.group_rows;
  CHECK_EQ(batch.rows % group, 0u);
  double total = 0;
  for (std::uint32_t positive = 0; positive < batch.rows; positive += group) {
    const T weight = batch.weights.empty() ? T{1} : static_cast<T>(batch.weights[positive]);
    const T share = weight * static_cast<T>(group) / static_cast<T>(group - 1);
    T from_positive = 0;
    for (std::uint32_t r = positive + 1; r < positive + group; ++r) {
      const T margin = scores.data[positive] - scores.data[r];
      const T e = std::exp(-std::abs(margin));
      total += static_cast<double>(share * (std::max(-margin, T{0}) + std::log1p(e)));
      // d/dmargin of log(1 + exp(-margin)) is -sigmoid(-margin).
      scores.gradient[r] = share * (margin >= 0 ? e / (1 + e) : 1 / (1 + e));
      from_positive -= scores.gradient[r];
    }
    scores.gradient[positive] = from_positive;
  }
  return total;
}

}  // namespace

template <typename T>
double Loss(proto::Model::Loss kind, const Step<T>& step, const Activation<T>& logits) {
  const Batch<T>& batch = *step.batch;
  CHECK_EQ(batch.labels.size(), step.rows) << "a loss needs labels";
  CHECK(batch.weights.empty() || batch.weights.size() == step.rows);
  CHECK_EQ(logits.stride, 1u);
  if (kind == proto::Model::SQUARED_ERROR) return SquaredError(step, logits);
  if (kind == proto::Model::BPR) return PairwiseLoss(batch, logits);
  return step.kernels->log_loss(step.rows, logits.data, batch.labels.data(),
                                batch.weights.empty() ? nullptr : batch.weights.data(), logits.gradient);
}

template double Loss(proto::Model::Loss, const Step<float>&, const Activation<float>&);
template double Loss(proto::Model::Loss, const Step<double>&, const Activation<double>&);

}  // namespace sherd::nn
