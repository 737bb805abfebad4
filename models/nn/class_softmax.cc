#include "models/nn/class_softmax.h"

#include <glog/logging.h>

#include <algorithm>
#include <limits>

namespace sherd::nn {
namespace {

template <typename T>
class ClassSoftmaxLayer : public Layer<T>, public LossHead<T> {
 public:
  ClassSoftmaxLayer(Activation<T>* x, Activation<T>* y, Activation<T>* gradient, Activation<T>* log_sum)
      : Layer<T>({x}, y), gradient_(gradient), log_sum_(log_sum) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T* row = x.data + r * x.stride;
      y.data[r * y.stride] = static_cast<T>(std::max_element(row, row + x.cols) - row);
    }
  }

  double Loss(const Step<T>& step) override {
    const Batch<T>& batch = *step.batch;
    CHECK_EQ(batch.labels.size(), step.rows) << "a loss needs labels";
    const auto& x = this->input();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      std::copy_n(x.data + r * x.stride, x.cols, gradient_->data + r * gradient_->stride);
    }
    step.kernels->softmax(gradient_->values(step.rows), log_sum_->data);
    double loss = 0;
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const float label = batch.labels[r];
      if (!(label >= 0 && label < static_cast<float>(x.cols))) return std::numeric_limits<double>::quiet_NaN();
      const auto of_class = static_cast<std::uint32_t>(label);
      const T weight = batch.weights.empty() ? T{1} : static_cast<T>(batch.weights[r]);
      loss += static_cast<double>(weight * (log_sum_->data[r] - x.data[r * x.stride + of_class]));
      T* const row = gradient_->data + r * gradient_->stride;
      row[of_class] -= 1;
      for (std::uint32_t c = 0; c < x.cols; ++c) row[c] *= weight;
    }
    return loss;
  }

  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const auto& x = this->input();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T* from = gradient_->data + r * gradient_->stride;
      T* dx = x.gradient + r * x.stride;
      for (std::uint32_t c = 0; c < x.cols; ++c) dx[c] = this->write() == Write::kAdd ? dx[c] + from[c] : from[c];
    }
  }

 private:
  Activation<T>* const gradient_;  // [rows, classes]: of the last loss
  Activation<T>* const log_sum_;   // [rows, 1]
};

}  // namespace

template <typename T>
Activation<T>* ClassSoftmax(Graph<T>* graph, const std::string& name, Activation<T>* x) {
  auto layer = std::make_unique<ClassSoftmaxLayer<T>>(x, graph->NewActivation(name, 1), graph->NewScratch(x->cols),
                                                      graph->NewScratch(1));
  graph->SetLossHead(layer.get());
  return graph->Add(std::move(layer));
}

template Activation<float>* ClassSoftmax(Graph<float>*, const std::string&, Activation<float>*);
template Activation<double>* ClassSoftmax(Graph<double>*, const std::string&, Activation<double>*);

}  // namespace sherd::nn
