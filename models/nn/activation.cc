#include "models/nn/activation.h"

#include <algorithm>

namespace sherd::nn {
namespace {

template <typename T>
class ActivationLayer : public Layer<T> {
 public:
  ActivationLayer(Activation<T>* x, Activation<T>* y, Parameter<T>* bias, Nonlinearity f)
      : Layer<T>({x}, y), bias_(bias), nonlinearity_(f) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) std::copy_n(x.data + r * x.stride, x.cols, y.data + r * y.stride);
    step.kernels->bias_activation(y.values(step.rows), bias_ == nullptr ? nullptr : bias_->data, nonlinearity_);
  }

  void Backward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    step.kernels->activation_gradient(y.data, y.gradients(step.rows), bias_ == nullptr ? nullptr : bias_->gradient,
                                      nonlinearity_);
    if (this->write() == Write::kNone) return;
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T* dy = y.gradient + r * y.stride;
      T* dx = x.gradient + r * x.stride;
      for (std::uint32_t c = 0; c < x.cols; ++c) dx[c] = this->write() == Write::kAdd ? dx[c] + dy[c] : dy[c];
    }
  }

 private:
  Parameter<T>* const bias_;  // [1, cols], or null
  const Nonlinearity nonlinearity_;
};

}  // namespace

template <typename T>
Activation<T>* Activate(Graph<T>* graph, const std::string& name, Activation<T>* x, Nonlinearity f) {
  if (f == Nonlinearity::kIdentity) return x;
  return graph->Add(std::make_unique<ActivationLayer<T>>(x, graph->NewActivation(name, x->cols), nullptr, f));
}

template <typename T>
Activation<T>* AddBias(Graph<T>* graph, const std::string& name, Activation<T>* x, Nonlinearity f,
                       const proto::Optimizer& optimizer) {
  proto::TensorSpec bias;
  bias.set_name(name + ".bias");
  bias.set_rows(1);
  bias.set_cols(x->cols);
  *bias.mutable_optimizer() = optimizer;
  bias.mutable_initializer()->set_kind(proto::Initializer::ZERO);
  Parameter<T>* parameter = graph->NewParameter(bias);
  return graph->Add(std::make_unique<ActivationLayer<T>>(x, graph->NewActivation(name, x->cols), parameter, f));
}

template Activation<float>* Activate(Graph<float>*, const std::string&, Activation<float>*, Nonlinearity);
template Activation<double>* Activate(Graph<double>*, const std::string&, Activation<double>*, Nonlinearity);

template Activation<float>* AddBias(Graph<float>*, const std::string&, Activation<float>*, Nonlinearity,
                                    const proto::Optimizer&);
template Activation<double>* AddBias(Graph<double>*, const std::string&, Activation<double>*, Nonlinearity,
                                     const proto::Optimizer&);

}  // namespace sherd::nn
