#include "models/nn/convolution.h"

#include <glog/logging.h>

#include <algorithm>
#include <cmath>

#include "models/nn/gemm.h"

namespace sherd::nn {
namespace {

template <typename T>
void Clear(const Activation<T>& x, std::uint32_t rows) {
  for (std::uint32_t r = 0; r < rows; ++r) std::fill_n(x.gradient + r * x.stride, x.cols, T{0});
}

// What a filter sees at a place is a range of the row's columns, so each place is a product with the rows as they are.
template <typename T>
class ConvolutionLayer : public Layer<T> {
 public:
  ConvolutionLayer(Activation<T>* x, Activation<T>* y, std::uint32_t channels, Parameter<T>* weight, Parameter<T>* bias,
                   Nonlinearity f)
      : Layer<T>({x}, y),
        channels_(channels),
        filters_(weight->cols),
        places_(y->cols / weight->cols),
        weight_(weight),
        bias_(bias),
        nonlinearity_(f) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t s = 0; s < places_; ++s) {
      Gemm(Transpose::kNo, Transpose::kNo, step.rows, filters_, weight_->rows, x.data + s * channels_, x.stride,
           weight_->data, filters_, Accumulate::kNo, y.data + s * filters_, y.stride);
      step.kernels->bias_activation(Place(y.values(step.rows), s), bias_->data, nonlinearity_);
    }
  }

  void Backward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    if (this->write() == Write::kAssign) Clear(x, step.rows);
    std::fill_n(bias_->gradient, filters_, T{0});
    step.kernels->activation_gradient(y.data, y.gradients(step.rows), nullptr, nonlinearity_);
    for (std::uint32_t s = 0; s < places_; ++s) {
      const T* dz = y.gradient + s * filters_;
      for (std::uint32_t r = 0; r < step.rows; ++r) {
        for (std::uint32_t c = 0; c < filters_; ++c) bias_->gradient[c] += dz[r * y.stride + c];
      }
      Gemm(Transpose::kYes, Transpose::kNo, weight_->rows, filters_, step.rows, x.data + s * channels_, x.stride, dz,
           y.stride, s == 0 ? Accumulate::kNo : Accumulate::kYes, weight_->gradient, filters_);
      if (this->write() == Write::kNone) continue;
      Gemm(Transpose::kNo, Transpose::kYes, step.rows, weight_->rows, filters_, dz, y.stride, weight_->data, filters_,
           Accumulate::kYes, x.gradient + s * channels_, x.stride);
    }
  }

 private:
  Matrix<T> Place(const Matrix<T>& y, std::uint32_t s) const {
    return {y.data + s * filters_, y.stride, y.rows, filters_};
  }

  const std::uint32_t channels_, filters_, places_;
  Parameter<T>* const weight_;  // [height * channels, filters]
  Parameter<T>* const bias_;    // [1, filters]
  const Nonlinearity nonlinearity_;
};

template <typename T>
class MaxOverStepsLayer : public Layer<T> {
 public:
  MaxOverStepsLayer(Activation<T>* x, Activation<T>* y, std::uint32_t steps) : Layer<T>({x}, y), steps_(steps) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T* in = x.data + r * x.stride;
      T* __restrict out = y.data + r * y.stride;
      std::copy_n(in, y.cols, out);
      for (std::uint32_t s = 1; s < steps_; ++s) {
        for (std::uint32_t c = 0; c < y.cols; ++c) out[c] = std::max(out[c], in[s * y.cols + c]);
      }
    }
  }

  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const auto &x = this->input(), &y = this->output();
    if (this->write() == Write::kAssign) Clear(x, step.rows);
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T *in = x.data + r * x.stride, *out = y.data + r * y.stride, *dy = y.gradient + r * y.stride;
      T* dx = x.gradient + r * x.stride;
      for (std::uint32_t c = 0; c < y.cols; ++c) {
        std::uint32_t s = 0;
        while (s + 1 < steps_ && in[s * y.cols + c] != out[c]) ++s;  // none where a NaN came first: then the last one
        dx[s * y.cols + c] += dy[c];
      }
    }
  }

 private:
  const std::uint32_t steps_;
};

template <typename T>
class VerticalConvolutionLayer : public Layer<T> {
 public:
  VerticalConvolutionLayer(Activation<T>* x, Activation<T>* y, Parameter<T>* weight)
      : Layer<T>({x}, y), channels_(x->cols / weight->cols), weight_(weight) {}

  void Forward(const Step<T>& step) override {
    const auto& y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) std::fill_n(y.data + r * y.stride, y.cols, T{0});
    ForEach(step.rows, [&](std::uint32_t at, std::size_t in, std::size_t out) {
      const T weight = weight_->data[at];
      const T* from = this->input().data + in;
      T* __restrict to = y.data + out;
      for (std::uint32_t c = 0; c < channels_; ++c) to[c] += weight * from[c];
    });
  }

  void Backward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    if (this->write() == Write::kAssign) Clear(x, step.rows);
    std::fill_n(weight_->gradient, weight_->size(), T{0});
    ForEach(step.rows, [&](std::uint32_t at, std::size_t in, std::size_t out) {
      const T *dy = y.gradient + out, *from = x.data + in, weight = weight_->data[at];
      T sum = 0;
      for (std::uint32_t c = 0; c < channels_; ++c) sum += dy[c] * from[c];
      weight_->gradient[at] += sum;
      if (this->write() == Write::kNone) return;
      T* __restrict dx = x.gradient + in;
      for (std::uint32_t c = 0; c < channels_; ++c) dx[c] += weight * dy[c];
    });
  }

 private:
  // Calls visit(weight, first element of the step, first element of the filter's output).
  template <typename Visit>
  void ForEach(std::uint32_t rows, const Visit& visit) const {
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t r = 0; r < rows; ++r) {
      for (std::uint32_t v = 0; v < weight_->rows; ++v) {
        for (std::uint32_t s = 0; s < weight_->cols; ++s) {
          visit(v * weight_->cols + s, r * x.stride + std::size_t{s} * channels_,
                r * y.stride + std::size_t{v} * channels_);
        }
      }
    }
  }

  const std::uint32_t channels_;
  Parameter<T>* const weight_;  // [filters, steps]
};

// With first weights uniform in +-1 / sqrt(inputs), or zero.
template <typename T>
Parameter<T>* Tensor(Graph<T>* graph, const std::string& name, std::uint32_t rows, std::uint32_t cols,
                     const proto::Optimizer& optimizer, std::uint32_t inputs) {
  proto::TensorSpec spec;
  spec.set_name(name);
  spec.set_rows(rows);
  spec.set_cols(cols);
  *spec.mutable_optimizer() = optimizer;
  spec.mutable_initializer()->set_kind(inputs == 0 ? proto::Initializer::ZERO : proto::Initializer::UNIFORM);
  if (inputs > 0) spec.mutable_initializer()->set_scale(1 / std::sqrt(static_cast<double>(inputs)));
  return graph->NewParameter(spec);
}

}  // namespace

template <typename T>
Activation<T>* Convolution(Graph<T>* graph, const std::string& name, Activation<T>* x,
                           const ConvolutionOptions& options) {
  CHECK_EQ(x->cols % options.steps, 0u);
  CHECK(options.height >= 1 && options.height <= options.steps);
  const std::uint32_t channels = x->cols / options.steps, seen = options.height * channels;
  Parameter<T>* weight = Tensor(graph, name + ".weight", seen, options.filters, options.weight_optimizer, seen);
  Parameter<T>* bias = Tensor(graph, name + ".bias", 1, options.filters, options.bias_optimizer, 0);
  Activation<T>* y = graph->NewActivation(name, (options.steps - options.height + 1) * options.filters);
  return graph->Add(std::make_unique<ConvolutionLayer<T>>(x, y, channels, weight, bias, options.nonlinearity));
}

template <typename T>
Activation<T>* MaxOverSteps(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t steps) {
  CHECK_EQ(x->cols % steps, 0u);
  return graph->Add(std::make_unique<MaxOverStepsLayer<T>>(x, graph->NewActivation(name, x->cols / steps), steps));
}

template <typename T>
Activation<T>* VerticalConvolution(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t steps,
                                   std::uint32_t filters, const proto::Optimizer& optimizer) {
  CHECK_EQ(x->cols % steps, 0u);
  Parameter<T>* weight = Tensor(graph, name + ".weight", filters, steps, optimizer, steps);
  Activation<T>* y = graph->NewActivation(name, filters * (x->cols / steps));
  return graph->Add(std::make_unique<VerticalConvolutionLayer<T>>(x, y, weight));
}

#define SHERD_OF_TYPE(T)                                                                                         \
  template Activation<T>* Convolution(Graph<T>*, const std::string&, Activation<T>*, const ConvolutionOptions&); \
  template Activation<T>* MaxOverSteps(Graph<T>*, const std::string&, Activation<T>*, std::uint32_t);            \
  template Activation<T>* VerticalConvolution(Graph<T>*, const std::string&, Activation<T>*, std::uint32_t,      \
                                              std::uint32_t, const proto::Optimizer&);
SHERD_OF_TYPE(float)
SHERD_OF_TYPE(double)
#undef SHERD_OF_TYPE

}  // namespace sherd::nn
