#include "models/nn/activation.h"

#include <algorithm>

namespace sherd::nn {
namespace {

template <typename T>
class ActivationLayer : public Layer<T> {
 public:
  ActivationLayer(Activation<T>* x, Activation<T>* y, Nonlinearity f) : Layer<T>({x}, y), nonlinearity_(f) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) std::copy_n(x.data + r * x.stride, x.cols, y.data + r * y.stride);
    step.kernels->bias_activation(y.values(step.rows), nullptr, nonlinearity_);
  }

  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const auto &x = this->input(), &y = this->output();
    step.kernels->activation_gradient(y.data, y.gradients(step.rows), nullptr, nonlinearity_);
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T* dy = y.gradient + r * y.stride;
      T* dx = x.gradient + r * x.stride;
      for (std::uint32_t c = 0; c < x.cols; ++c) dx[c] = this->write() == Write::kAdd ? dx[c] + dy[c] : dy[c];
    }
  }

 private:
  const Nonlinearity nonlinearity_;
};

}  // namespace

template <typename T>
Activation<T>* Activate(Graph<T>* graph, const std::string& name, Activation<T>* x, Nonlinearity f) {
  if (f == Nonlinearity::kIdentity) return x;
  return graph->Add(std::make_unique<ActivationLayer<T>>(x, graph->NewActivation(name, x->cols), f));
}

template Activation<float>* Activate(Graph<float>*, const std::string&, Activation<float>*, Nonlinearity);
template Activation<double>* Activate(Graph<double>*, const std::string&, Activation<double>*, Nonlinearity);

}  // namespace sherd::nn
