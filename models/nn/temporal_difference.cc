#include "models/nn/temporal_difference.h"

#include <glog/logging.h>

#include <algorithm>

namespace sherd::nn {
namespace {

template <typename T>
class TemporalDifferenceLayer : public Layer<T>, public LossHead<T> {
 public:
  TemporalDifferenceLayer(Activation<T>* q, const Activation<T>* next, const Activation<T>* discount, Activation<T>* y,
                          Activation<T>* gradient)
      : Layer<T>({q}, y), next_(next), discount_(discount), gradient_(gradient) {}

  void Forward(const Step<T>& step) override {
    const auto &q = this->input(), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) y.data[r * y.stride] = q.data[r * q.stride];
  }

  double Loss(const Step<T>& step) override {
    const Batch<T>& batch = *step.batch;
    CHECK_EQ(batch.labels.size(), step.rows) << "a loss needs labels";
    const auto& q = this->input();
    double loss = 0;
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T worth = static_cast<T>(batch.labels[r]) + discount_->data[r * discount_->stride] * BestNext(r);
      const T error = q.data[r * q.stride] - worth;
      const T weight = batch.weights.empty() ? T{1} : static_cast<T>(batch.weights[r]);
      loss += static_cast<double>(weight * error * error);
      gradient_->data[r] = 2 * weight * error;
    }
    return loss;
  }

  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const auto& q = this->input();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      T& dq = q.gradient[r * q.stride];
      dq = this->write() == Write::kAdd ? dq + gradient_->data[r] : gradient_->data[r];
    }
  }

 private:
  T BestNext(std::uint32_t row) const {
    const std::uint32_t begin = next_->domain->begin[row], end = next_->domain->begin[row + 1];
    if (begin == end) return 0;
    T best = next_->data[begin * next_->stride];
    for (std::uint32_t k = begin + 1; k < end; ++k) best = std::max(best, next_->data[k * next_->stride]);
    return best;
  }

  const Activation<T>*const next_, *const discount_;
  Activation<T>* const gradient_;  // [rows, 1]: of the last loss
};

}  // namespace

template <typename T>
Activation<T>* TemporalDifference(Graph<T>* graph, const std::string& name, Activation<T>* q, const Activation<T>* next,
                                  const Activation<T>* discount) {
  CHECK(q->cols == 1 && next->cols == 1 && discount->cols == 1);
  CHECK(q->domain == nullptr && next->domain != nullptr && discount->domain == nullptr);
  auto layer = std::make_unique<TemporalDifferenceLayer<T>>(q, next, discount, graph->NewActivation(name, 1),
                                                            graph->NewScratch(1));
  graph->SetLossHead(layer.get());
  return graph->Add(std::move(layer));
}

template Activation<float>* TemporalDifference(Graph<float>*, const std::string&, Activation<float>*,
                                               const Activation<float>*, const Activation<float>*);
template Activation<double>* TemporalDifference(Graph<double>*, const std::string&, Activation<double>*,
                                                const Activation<double>*, const Activation<double>*);

}  // namespace sherd::nn
