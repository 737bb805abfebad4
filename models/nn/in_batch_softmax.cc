#include "models/nn/in_batch_softmax.h"

#include <glog/logging.h>

#include <algorithm>

#include "base/aligned_buffer.h"
#include "models/nn/dot.h"
#include "models/nn/gemm.h"

namespace sherd::nn {
namespace {

constexpr std::uint32_t kBlockRows = 64;  // whose scores are in memory at one time

template <typename T>
class InBatchSoftmaxLayer : public Layer<T>, public LossHead<T> {
 public:
  InBatchSoftmaxLayer(Activation<T>* user, Activation<T>* item, Activation<T>* y, Activation<T>* user_gradient,
                      Activation<T>* item_gradient, const proto::InBatchSoftmax& options)
      : Layer<T>({user, item}, y),
        user_gradient_(user_gradient),
        item_gradient_(item_gradient),
        scale_(static_cast<T>(1 / options.temperature())),
        correct_frequency_(options.correct_frequency()) {}

  void Forward(const Step<T>& step) override {
    DotRows(this->input(0).values(step.rows), this->input(1).values(step.rows), this->output().values(step.rows));
  }

  double Loss(const Step<T>& of_batch) override {
    Step<T> step = of_batch;
    if (const Domain* domain = this->output().domain) step.rows = domain->rows;
    const Batch<T>& batch = *step.batch;
    CHECK_EQ(batch.items.size(), step.rows);
    CHECK(!correct_frequency_ || batch.log_shares.size() == step.rows);
    scores_.Resize(std::size_t{kBlockRows} * Stride(step.rows));
    double loss = 0;
    for (std::uint32_t first = 0; first < step.rows; first += kBlockRows) {
      loss += LossOfBlock(step, first, std::min(kBlockRows, step.rows - first));
    }
    return loss;
  }

  void Backward(const Step<T>& step) override {
    if (!step.training) DotGradients(step);
    PassOn(step, 0, *user_gradient_);
    PassOn(step, 1, *item_gradient_);
  }

 private:
  static std::size_t Stride(std::uint32_t rows) { return (std::size_t{rows} + 15) / 16 * 16; }

  // Of the rows [first, first + count): their losses, their users' gradients, and their share of the items'.
  double LossOfBlock(const Step<T>& step, std::uint32_t first, std::uint32_t count) {
    const auto &user = this->input(0), &item = this->input(1);
    const Matrix<T> scores = {scores_.data(), Stride(step.rows), count, step.rows};
    const T* const users = user.data + first * user.stride;
    Gemm(Transpose::kNo, Transpose::kYes, count, step.rows, user.cols, users, user.stride, item.data, item.stride,
         Accumulate::kNo, scores.data, scores.stride);
    T own[kBlockRows], log_sums[kBlockRows];
    for (std::uint32_t r = 0; r < count; ++r) own[r] = Prepare(*step.batch, first + r, scores.data + r * scores.stride);
    step.kernels->softmax(scores, log_sums);
    double loss = 0;
    for (std::uint32_t r = 0; r < count; ++r) {
      const T weight = step.batch->weights.empty() ? T{1} : static_cast<T>(step.batch->weights[first + r]);
      T* const row = scores.data + r * scores.stride;
      loss += static_cast<double>(weight * (log_sums[r] - own[r]));
      row[first + r] -= 1;
      for (std::uint32_t j = 0; j < step.rows; ++j) row[j] *= weight * scale_;
    }
    Gemm(Transpose::kNo, Transpose::kNo, count, user.cols, step.rows, scores.data, scores.stride, item.data,
         item.stride, Accumulate::kNo, user_gradient_->data + first * user_gradient_->stride, user_gradient_->stride);
    Gemm(Transpose::kYes, Transpose::kNo, step.rows, user.cols, count, scores.data, scores.stride, users, user.stride,
         first == 0 ? Accumulate::kNo : Accumulate::kYes, item_gradient_->data, item_gradient_->stride);
    return loss;
  }

  // From products to what the softmax is taken of. Returns the row's own.
  T Prepare(const Batch<T>& batch, std::uint32_t r, T* row) const {
    constexpr T kNoNegative = T{-1e30};
    const auto rows = static_cast<std::uint32_t>(batch.items.size());
    for (std::uint32_t j = 0; j < rows; ++j) {
      row[j] *= scale_;
      if (correct_frequency_) row[j] -= static_cast<T>(batch.log_shares[j]);
    }
    for (std::uint32_t j = 0; j < rows; ++j) {
      if (batch.items[j] == batch.items[r] && j != r) row[j] = kNoNegative;
    }
    return row[r];
  }

  // Of the output, the rows' own products, in place of the loss.
  void DotGradients(const Step<T>& step) {
    const auto &user = this->input(0), &item = this->input(1), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T dy = y.gradient[r * y.stride];
      for (std::uint32_t c = 0; c < user.cols; ++c) {
        user_gradient_->data[r * user_gradient_->stride + c] = dy * item.data[r * item.stride + c];
        item_gradient_->data[r * item_gradient_->stride + c] = dy * user.data[r * user.stride + c];
      }
    }
  }

  void PassOn(const Step<T>& step, int to, const Activation<T>& gradient) {
    if (this->write(to) == Write::kNone) return;
    const auto& x = this->input(to);
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T* from = gradient.data + r * gradient.stride;
      T* dx = x.gradient + r * x.stride;
      for (std::uint32_t c = 0; c < x.cols; ++c) dx[c] = this->write(to) == Write::kAdd ? dx[c] + from[c] : from[c];
    }
  }

  Activation<T>*const user_gradient_, *const item_gradient_;  // of the last loss, or of the output
  const T scale_;
  const bool correct_frequency_;
  AlignedBuffer<T> scores_;  // [rows of a block, rows]
};

}  // namespace

template <typename T>
Activation<T>* InBatchSoftmax(Graph<T>* graph, const std::string& name, Activation<T>* user, Activation<T>* item,
                              const proto::InBatchSoftmax& options) {
  CHECK_EQ(user->cols, item->cols);
  CHECK_EQ(user->domain, item->domain);
  auto layer = std::make_unique<InBatchSoftmaxLayer<T>>(user, item, graph->NewActivation(name, 1),
                                                        graph->NewScratch(user->cols, user->domain),
                                                        graph->NewScratch(item->cols, item->domain), options);
  graph->SetLossHead(layer.get());
  return graph->Add(std::move(layer));
}

template Activation<float>* InBatchSoftmax(Graph<float>*, const std::string&, Activation<float>*, Activation<float>*,
                                           const proto::InBatchSoftmax&);
template Activation<double>* InBatchSoftmax(Graph<double>*, const std::string&, Activation<double>*,
                                            Activation<double>*, const proto::InBatchSoftmax&);

}  // namespace sherd::nn
