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
double PairwiseLoss(const Batch<T>& batch, const Activation<T>& scores, Negatives negatives) {
  const std::uint32_t group = batch.group_rows;
  CHECK_EQ(batch.rows % group, 0u);
  double total = 0;
  for (std::uint32_t positive = 0; positive < batch.rows; positive += group) {
    const T weight = batch.weights.empty() ? T{1} : static_cast<T>(batch.weights[positive]);
    std::uint32_t first = positive + 1, end = positive + group;
    if (negatives == Negatives::kHardest && first < end) {
      std::fill(scores.gradient + first, scores.gradient + end, T{0});
      first = static_cast<std::uint32_t>(std::max_element(scores.data + first, scores.data + end) - scores.data);
      end = first + 1;
    }
    const T share = weight * static_cast<T>(group) / static_cast<T>(end - first);
    T from_positive = 0;
    for (std::uint32_t r = first; r < end; ++r) {
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
double Loss(proto::Model::Loss kind, const Step<T>& step, const Activation<T>& logits, Negatives negatives) {
  const Batch<T>& batch = *step.batch;
  CHECK_EQ(batch.labels.size(), step.rows) << "a loss needs labels";
  CHECK(batch.weights.empty() || batch.weights.size() == step.rows);
  CHECK_EQ(logits.stride, 1u);
  if (kind == proto::Model::SQUARED_ERROR) return SquaredError(step, logits);
  if (kind == proto::Model::BPR) return PairwiseLoss(batch, logits, negatives);
  return step.kernels->log_loss(step.rows, logits.data, batch.labels.data(),
                                batch.weights.empty() ? nullptr : batch.weights.data(), logits.gradient);
}

template double Loss(proto::Model::Loss, const Step<float>&, const Activation<float>&, Negatives);
template double Loss(proto::Model::Loss, const Step<double>&, const Activation<double>&, Negatives);

}  // namespace sherd::nn
