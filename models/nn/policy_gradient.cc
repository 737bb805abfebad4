#include "models/nn/policy_gradient.h"

#include <glog/logging.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace sherd::nn {
namespace {

template <typename T>
class PolicyGradientLayer : public Layer<T>, public LossHead<T> {
 public:
  PolicyGradientLayer(Graph<T>* graph, const PolicyGradientInputs<T>& inputs, Activation<T>* y, double max_weight)
      : Layer<T>({inputs.score, inputs.choices, inputs.baseline}, y),
        propensity_(inputs.propensity),
        gradient_(graph->NewScratch(1)),
        baseline_gradient_(graph->NewScratch(1)),
        probability_(graph->NewScratch(1, inputs.choices->domain)),
        max_weight_(static_cast<T>(max_weight)) {}

  void Forward(const Step<T>& step) override {
    const auto &score = this->input(kScore), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) y.data[r * y.stride] = score.data[r * score.stride];
  }

  double Loss(const Step<T>& step) override {
    const Batch<T>& batch = *step.batch;
    CHECK_EQ(batch.labels.size(), step.rows) << "a loss needs labels";
    const auto &score = this->input(kScore), &baseline = this->input(kBaseline);
    double loss = 0;
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T propensity = propensity_->data[r * propensity_->stride];
      if (!(propensity > 0)) return std::numeric_limits<double>::quiet_NaN();
      const T weight = batch.weights.empty() ? T{1} : static_cast<T>(batch.weights[r]);
      const T advantage = static_cast<T>(batch.labels[r]) - baseline.data[r * baseline.stride];
      const auto& choices = *this->input(kChoices).domain;
      const bool any = choices.begin[r] < choices.begin[r + 1];
      const Weight w = any ? WeightOf(score.data[r * score.stride] - LogSum(r) - std::log(propensity)) : Weight{0, 0};
      gradient_->data[r] = -weight * advantage * w.capped;
      baseline_gradient_->data[r] = -2 * weight * advantage;
      loss += static_cast<double>(weight * advantage * (advantage - w.value));
    }
    return loss;
  }

  // By the row's score g, by that of choice k -p_k g.
  void Backward(const Step<T>& step) override {
    const auto& domain = *this->input(kChoices).domain;
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T g = gradient_->data[r];
      Pass(kScore, r, g);
      Pass(kBaseline, r, baseline_gradient_->data[r]);
      for (std::uint32_t k = domain.begin[r]; k < domain.begin[r + 1]; ++k)
        Pass(kChoices, k, -probability_->data[k] * g);
    }
  }

 private:
  static constexpr int kScore = 0, kChoices = 1, kBaseline = 2;

  struct Weight {
    T value, capped;  // f, and its derivative by log w
  };
  Weight WeightOf(T log_weight) const {
    const T above = log_weight - std::log(max_weight_);
    if (above > 0) return {max_weight_ * (1 + above), max_weight_};
    const T w = std::exp(log_weight);
    return {w, w};
  }

  // log of the sum of the exponentials of row r's choices, which it has, and of which it leaves the probabilities.
  T LogSum(std::uint32_t r) {
    const auto& choices = this->input(kChoices);
    const std::uint32_t begin = choices.domain->begin[r], end = choices.domain->begin[r + 1];
    T highest = -std::numeric_limits<T>::infinity(), sum = 0;
    for (std::uint32_t k = begin; k < end; ++k) highest = std::max(highest, choices.data[k * choices.stride]);
    for (std::uint32_t k = begin; k < end; ++k) {
      sum += probability_->data[k] = std::exp(choices.data[k * choices.stride] - highest);
    }
    for (std::uint32_t k = begin; k < end; ++k) probability_->data[k] /= sum;
    return highest + std::log(sum);
  }

  void Pass(int i, std::uint32_t row, T gradient) {
    if (this->write(i) == Write::kNone) return;
    T& dx = this->input(i).gradient[row * this->input(i).stride];
    dx = this->write(i) == Write::kAdd ? dx + gradient : gradient;
  }

  const Activation<T>* const propensity_;
  Activation<T>*const gradient_, *const baseline_gradient_;  // [rows, 1]: of the last loss
  Activation<T>* const probability_;                         // [choices, 1]: likewise
  const T max_weight_;
};

}  // namespace

template <typename T>
Activation<T>* PolicyGradient(Graph<T>* graph, const std::string& name, const PolicyGradientInputs<T>& inputs,
                              double max_weight) {
  CHECK(inputs.score->cols == 1 && inputs.choices->cols == 1 && inputs.baseline->cols == 1);
  CHECK(inputs.score->domain == nullptr && inputs.choices->domain != nullptr && inputs.propensity->cols == 1);
  auto layer = std::make_unique<PolicyGradientLayer<T>>(graph, inputs, graph->NewActivation(name, 1), max_weight);
  graph->SetLossHead(layer.get());
  return graph->Add(std::move(layer));
}

template Activation<float>* PolicyGradient(Graph<float>*, const std::string&, const PolicyGradientInputs<float>&,
                                           double);
template Activation<double>* PolicyGradient(Graph<double>*, const std::string&, const PolicyGradientInputs<double>&,
                                            double);

}  // namespace sherd::nn
