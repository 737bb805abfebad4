#include "models/nn/linear.h"

#include <cmath>
#include <type_traits>

#include "models/nn/bf16.h"
#include "models/nn/gemm.h"

namespace sherd::nn {
namespace {

template <typename T>
class LinearLayer : public Layer<T> {
 public:
  LinearLayer(Activation<T>* x, Activation<T>* y, Parameter<T>* weight, Parameter<T>* bias, Nonlinearity f)
      : Layer<T>({x}, y), weight_(weight), bias_(bias), nonlinearity_(f) {}

  void Forward(const Step<T>& step) override {
    const CpuMeter::Scope products(step.meter, CpuMeter::Part::kProducts);
    const auto &x = this->input(), &y = this->output();
    Gemm(Transpose::kNo, Transpose::kNo, step.rows, y.cols, x.cols, x.data, x.stride, weight_->data, weight_->cols,
         Accumulate::kNo, y.data, y.stride);
    const CpuMeter::Scope activation(step.meter, CpuMeter::Part::kActivation);
    step.kernels->bias_activation(y.values(step.rows), bias_ == nullptr ? nullptr : bias_->data, nonlinearity_);
  }

  // dz = dy f'(z); db = sum of dz; dW = x^T dz; dx = dz W^T.
  void Backward(const Step<T>& step) override {
    const CpuMeter::Scope products(step.meter, CpuMeter::Part::kProducts);
    const auto &x = this->input(), &y = this->output();
    {
      const CpuMeter::Scope activation(step.meter, CpuMeter::Part::kActivation);
      step.kernels->activation_gradient(y.data, y.gradients(step.rows), bias_ == nullptr ? nullptr : bias_->gradient,
                                        nonlinearity_);
    }
    Gemm(Transpose::kYes, Transpose::kNo, x.cols, y.cols, step.rows, x.data, x.stride, y.gradient, y.stride,
         Accumulate::kNo, weight_->gradient, weight_->cols);
    if (this->write() == Write::kNone) return;
    Gemm(Transpose::kNo, Transpose::kYes, step.rows, x.cols, y.cols, y.gradient, y.stride, weight_->data, weight_->cols,
         this->write() == Write::kAdd ? Accumulate::kYes : Accumulate::kNo, x.gradient, x.stride);
  }

 private:
  Parameter<T>* const weight_;  // [in, units]
  Parameter<T>* const bias_;    // [1, units], or null
  const Nonlinearity nonlinearity_;
};

// The same with bfloat16 factors. Each is rounded once: x and W going forward, for both ways.
class Bf16LinearLayer : public Layer<float> {
 public:
  Bf16LinearLayer(Activation<float>* x, Activation<float>* y, Activation<float>* rounded_x, Parameter<float>* weight,
                  Parameter<float>* bias, Nonlinearity f)
      : Layer<float>({x}, y),
        rounded_x_(rounded_x),
        weight_(weight),
        bias_(bias),
        nonlinearity_(f),
        rounded_weight_(weight->size()) {}

  void Forward(const Step<float>& step) override {
    const CpuMeter::Scope products(step.meter, CpuMeter::Part::kProducts);
    const auto &x = input(), &y = output();
    RoundToBf16(x.values(step.rows), rounded_x(), rounded_x_stride());
    RoundToBf16({weight_->data, weight_->cols, weight_->rows, weight_->cols}, rounded_weight_.data(), weight_->cols);
    Gemm(Transpose::kNo, Transpose::kNo, step.rows, y.cols, x.cols, rounded_x(), rounded_x_stride(),
         rounded_weight_.data(), weight_->cols, Accumulate::kNo, y.data, y.stride);
    const CpuMeter::Scope activation(step.meter, CpuMeter::Part::kActivation);
    step.kernels->bias_activation(y.values(step.rows), bias_ == nullptr ? nullptr : bias_->data, nonlinearity_);
  }

  void Backward(const Step<float>& step) override {
    const CpuMeter::Scope products(step.meter, CpuMeter::Part::kProducts);
    const auto &x = input(), &y = output();
    {
      const CpuMeter::Scope activation(step.meter, CpuMeter::Part::kActivation);
      RoundedActivationGradient(y.data, y.gradients(step.rows), bias_ == nullptr ? nullptr : bias_->gradient,
                                nonlinearity_);
    }
    const Bf16* dz = reinterpret_cast<const Bf16*>(y.gradient);
    Gemm(Transpose::kYes, Transpose::kNo, x.cols, y.cols, step.rows, rounded_x(), rounded_x_stride(), dz, 2 * y.stride,
         Accumulate::kNo, weight_->gradient, weight_->cols);
    if (write() == Write::kNone) return;
    Gemm(Transpose::kNo, Transpose::kYes, step.rows, x.cols, y.cols, dz, 2 * y.stride, rounded_weight_.data(),
         weight_->cols, write() == Write::kAdd ? Accumulate::kYes : Accumulate::kNo, x.gradient, x.stride);
  }

 private:
  Bf16* rounded_x() const { return reinterpret_cast<Bf16*>(rounded_x_->data); }
  std::size_t rounded_x_stride() const { return 2 * rounded_x_->stride; }

  Activation<float>* const rounded_x_;  // room for two numbers a float
  Parameter<float>* const weight_;      // [in, units]
  Parameter<float>* const bias_;        // [1, units], or null
  const Nonlinearity nonlinearity_;
  AlignedBuffer<Bf16> rounded_weight_;
};

template <typename T>
std::unique_ptr<Layer<T>> MakeLayer(Graph<T>* graph, Activation<T>* x, Activation<T>* y, Parameter<T>* weight,
                                    Parameter<T>* bias, const LinearOptions& options) {
  if constexpr (std::is_same_v<T, float>) {
    if (options.precision == Precision::kBf16) {
      return std::make_unique<Bf16LinearLayer>(x, y, graph->NewScratch((x->cols + 1) / 2, x->domain), weight, bias,
                                               options.nonlinearity);
    }
  }
  return std::make_unique<LinearLayer<T>>(x, y, weight, bias, options.nonlinearity);
}

}  // namespace

template <typename T>
Activation<T>* Linear(Graph<T>* graph, const std::string& name, Activation<T>* x, const LinearOptions& options) {
  proto::TensorSpec weight;
  weight.set_name(name + ".weight");
  weight.set_rows(x->cols);
  weight.set_cols(options.units);
  *weight.mutable_optimizer() = options.weight_optimizer;
  weight.mutable_initializer()->set_kind(proto::Initializer::UNIFORM);
  weight.mutable_initializer()->set_scale(1 / std::sqrt(static_cast<double>(x->cols)));
  Parameter<T>* w = graph->NewParameter(weight);
  Parameter<T>* b = nullptr;
  if (options.bias) {
    proto::TensorSpec bias;
    bias.set_name(name + ".bias");
    bias.set_rows(1);
    bias.set_cols(options.units);
    *bias.mutable_optimizer() = options.bias_optimizer;
    bias.mutable_initializer()->set_kind(proto::Initializer::ZERO);
    b = graph->NewParameter(bias);
  }
  Activation<T>* y = graph->NewActivation(name, options.units);
  return graph->Add(MakeLayer(graph, x, y, w, b, options));
}

template Activation<float>* Linear(Graph<float>*, const std::string&, Activation<float>*, const LinearOptions&);
template Activation<double>* Linear(Graph<double>*, const std::string&, Activation<double>*, const LinearOptions&);

}  // namespace sherd::nn
