#include "models/nn/batch_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace sherd::nn {
namespace {

template <typename T>
struct BatchNormParameters {
  Parameter<T>*scale, *shift, *running_mean, *running_variance;
};

template <typename T>
class BatchNormLayer : public Layer<T> {
 public:
  BatchNormLayer(Activation<T>* x, Activation<T>* y, BatchNormParameters<T> parameters)
      : Layer<T>({x}, y), p_(parameters), mean_(x->cols), variance_(x->cols), inverse_deviation_(x->cols) {}

  void Forward(const Step<T>& step) override {
    if (step.rows == 0) return;
    const auto &x = this->input(), &y = this->output();
    if (step.training) {
      step.kernels->moments(x.values(step.rows), mean_.data(), variance_.data());
    } else {
      std::copy_n(p_.running_mean->data, x.cols, mean_.data());
      std::copy_n(p_.running_variance->data, x.cols, variance_.data());
    }
    for (std::size_t c = 0; c < x.cols; ++c) inverse_deviation_[c] = 1 / std::sqrt(variance_[c] + static_cast<T>(1e-5));
    step.kernels->normalize(x.values(step.rows), mean_.data(), inverse_deviation_.data(), p_.scale->data,
                            p_.shift->data, y.values(step.rows));
  }

  void Backward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    if (!step.training) return PassOn(step);
    const T rows = static_cast<T>(step.rows);
    const T unbiased = step.rows > 1 ? rows / (rows - 1) : T{1};
    for (std::size_t c = 0; c < x.cols; ++c) {
      p_.running_mean->gradient[c] = mean_[c] * rows;
      p_.running_variance->gradient[c] = variance_[c] * unbiased * rows;
    }
    const Matrix<T> dx = this->write() == Write::kNone ? Matrix<T>{} : x.gradients(step.rows);
    step.kernels->normalize_gradient(x.values(step.rows), mean_.data(), inverse_deviation_.data(), p_.scale->data,
                                     y.gradients(step.rows), p_.scale->gradient, p_.shift->gradient, dx,
                                     this->write() == Write::kAdd);
  }

 private:
  // Running statistics are constants.
  void PassOn(const Step<T>& step) {
    if (this->write() == Write::kNone) return;
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T* const dy = y.gradient + r * y.stride;
      T* const dx = x.gradient + r * x.stride;
      for (std::uint32_t c = 0; c < x.cols; ++c) {
        const T g = dy[c] * p_.scale->data[c] * inverse_deviation_[c];
        dx[c] = this->write() == Write::kAdd ? dx[c] + g : g;
      }
    }
  }

  const BatchNormParameters<T> p_;
  std::vector<T> mean_, variance_, inverse_deviation_;  // [cols], of the last Forward
};

proto::TensorSpec Vector(const std::string& name, std::uint32_t cols, const proto::Optimizer& optimizer, double value) {
  proto::TensorSpec tensor;
  tensor.set_name(name);
  tensor.set_rows(1);
  tensor.set_cols(cols);
  *tensor.mutable_optimizer() = optimizer;
  tensor.mutable_initializer()->set_kind(value == 0 ? proto::Initializer::ZERO : proto::Initializer::CONSTANT);
  tensor.mutable_initializer()->set_scale(value);
  return tensor;
}

}  // namespace

template <typename T>
Activation<T>* BatchNorm(Graph<T>* graph, const std::string& name, Activation<T>* x,
                         const proto::Optimizer& optimizer) {
  proto::Optimizer average;
  average.mutable_moving_average()->set_momentum(0.9);
  const BatchNormParameters<T> parameters = {
      .scale = graph->NewParameter(Vector(name + ".scale", x->cols, optimizer, 1)),
      .shift = graph->NewParameter(Vector(name + ".shift", x->cols, optimizer, 0)),
      .running_mean = graph->NewParameter(Vector(name + ".running_mean", x->cols, average, 0)),
      .running_variance = graph->NewParameter(Vector(name + ".running_variance", x->cols, average, 1))};
  return graph->Add(std::make_unique<BatchNormLayer<T>>(x, graph->NewActivation(name, x->cols), parameters));
}

template Activation<float>* BatchNorm(Graph<float>*, const std::string&, Activation<float>*, const proto::Optimizer&);
template Activation<double>* BatchNorm(Graph<double>*, const std::string&, Activation<double>*,
                                       const proto::Optimizer&);

}  // namespace sherd::nn
