#include "models/nn/loss.h"

#include <glog/logging.h>

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

}  // namespace

template <typename T>
double Loss(proto::Model::Loss kind, const Step<T>& step, const Activation<T>& logits) {
  const Batch<T>& batch = *step.batch;
  CHECK_EQ(batch.labels.size(), step.rows) << "a loss needs labels";
  CHECK(batch.weights.empty() || batch.weights.size() == step.rows);
  CHECK_EQ(logits.stride, 1u);
  if (kind == proto::Model::SQUARED_ERROR) return SquaredError(step, logits);
  return step.kernels->log_loss(step.rows, logits.data, batch.labels.data(),
                                batch.weights.empty() ? nullptr : batch.weights.data(), logits.gradient);
}

template double Loss(proto::Model::Loss, const Step<float>&, const Activation<float>&);
template double Loss(proto::Model::Loss, const Step<double>&, const Activation<double>&);

}  // namespace sherd::nn
