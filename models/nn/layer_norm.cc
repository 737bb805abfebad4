#include "models/nn/layer_norm.h"

#include <algorithm>
#include <cmath>

namespace sherd::nn {
namespace {

constexpr double kEpsilon = 1e-5;

// The sum of f(c) over the columns: eight sums side by side, in a fixed order, that any compiler turns into vector
// instructions.
template <typename T, typename F>
T SumOver(std::uint32_t cols, const F& f) {
  T sums[8] = {};
  std::uint32_t c = 0;
  for (; c + 8 <= cols; c += 8) {
    for (std::uint32_t lane = 0; lane < 8; ++lane) sums[lane] += f(c + lane);
  }
  for (; c < cols; ++c) sums[c % 8] += f(c);
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

template <typename T>
class LayerNormLayer : public Layer<T> {
 public:
  LayerNormLayer(Activation<T>* x, Activation<T>* y, Activation<T>* normal, Activation<T>* inverse_deviation,
                 Parameter<T>* scale, Parameter<T>* shift)
      : Layer<T>({x}, y), normal_(normal), inverse_deviation_(inverse_deviation), scale_(scale), shift_(shift) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    const auto cols = static_cast<T>(x.cols);
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T* in = x.data + r * x.stride;
      T* __restrict normal = normal_->data + r * normal_->stride;
      T* __restrict out = y.data + r * y.stride;
      const T mean = SumOver<T>(x.cols, [&](std::uint32_t c) { return in[c]; }) / cols;
      const T variance = SumOver<T>(x.cols, [&](std::uint32_t c) { return (in[c] - mean) * (in[c] - mean); }) / cols;
      const T inverse = 1 / std::sqrt(variance + static_cast<T>(kEpsilon));
      inverse_deviation_->data[r * inverse_deviation_->stride] = inverse;
      for (std::uint32_t c = 0; c < x.cols; ++c) {
        normal[c] = (in[c] - mean) * inverse;
        out[c] = normal[c] * scale_->data[c] + shift_->data[c];
      }
    }
  }

  // With n the normalized x and g = dy * scale: dx = (g - mean(g) - n mean(g n)) / deviation.
  void Backward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    const auto cols = static_cast<T>(x.cols);
    std::fill_n(scale_->gradient, x.cols, T{0});
    std::fill_n(shift_->gradient, x.cols, T{0});
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T *normal = normal_->data + r * normal_->stride, *scale = scale_->data;
      T* dy = y.gradient + r * y.stride;
      for (std::uint32_t c = 0; c < x.cols; ++c) {
        scale_->gradient[c] += dy[c] * normal[c];
        shift_->gradient[c] += dy[c];
      }
      if (this->write() == Write::kNone) continue;
      const T mean = SumOver<T>(x.cols, [&](std::uint32_t c) { return dy[c] * scale[c]; }) / cols;
      const T along = SumOver<T>(x.cols, [&](std::uint32_t c) { return dy[c] * scale[c] * normal[c]; }) / cols;
      const T inverse = inverse_deviation_->data[r * inverse_deviation_->stride];
      T* __restrict dx = x.gradient + r * x.stride;
      const bool add = this->write() == Write::kAdd;
      for (std::uint32_t c = 0; c < x.cols; ++c) {
        const T g = inverse * (dy[c] * scale[c] - mean - normal[c] * along);
        dx[c] = add ? dx[c] + g : g;
      }
    }
  }

 private:
  Activation<T>* const normal_;             // [rows, cols]: before scale and shift
  Activation<T>* const inverse_deviation_;  // [rows, 1]
  Parameter<T>*const scale_, *const shift_;
};

}  // namespace

template <typename T>
Activation<T>* LayerNorm(Graph<T>* graph, const std::string& name, Activation<T>* x,
                         const proto::Optimizer& optimizer) {
  const auto tensor = [&](const char* part, double first) {
    proto::TensorSpec spec;
    spec.set_name(name + "." + part);
    spec.set_rows(1);
    spec.set_cols(x->cols);
    *spec.mutable_optimizer() = optimizer;
    spec.mutable_initializer()->set_kind(proto::Initializer::CONSTANT);
    spec.mutable_initializer()->set_scale(first);
    return graph->NewParameter(spec);
  };
  Parameter<T>* scale = tensor("scale", 1);
  Parameter<T>* shift = tensor("shift", 0);
  return graph->Add(std::make_unique<LayerNormLayer<T>>(x, graph->NewActivation(name, x->cols),
                                                        graph->NewScratch(x->cols, x->domain),
                                                        graph->NewScratch(1, x->domain), scale, shift));
}

template Activation<float>* LayerNorm(Graph<float>*, const std::string&, Activation<float>*, const proto::Optimizer&);
template Activation<double>* LayerNorm(Graph<double>*, const std::string&, Activation<double>*,
                                       const proto::Optimizer&);

}  // namespace sherd::nn
