#include "models/nn/cross.h"

#include <glog/logging.h>

namespace sherd::nn {
namespace {

// y = x0 * z + x: z is x W + b.
template <typename T>
class MatrixCrossLayer : public Layer<T> {
 public:
  MatrixCrossLayer(Activation<T>* x0, Activation<T>* z, Activation<T>* x, Activation<T>* y) : Layer<T>({x0, z, x}, y) {}

  void Forward(const Step<T>& step) override {
    const auto &x0 = this->input(0), &z = this->input(1), &x = this->input(2), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T *first = x0.data + r * x0.stride, *factor = z.data + r * z.stride, *in = x.data + r * x.stride;
      T* __restrict out = y.data + r * y.stride;
      for (std::uint32_t c = 0; c < y.cols; ++c) out[c] = first[c] * factor[c] + in[c];
    }
  }

  void Backward(const Step<T>& step) override {
    const auto &x0 = this->input(0), &z = this->input(1);
    PassOn(step, 0, [&](std::uint32_t r) { return z.data + r * z.stride; });
    PassOn(step, 1, [&](std::uint32_t r) { return x0.data + r * x0.stride; });
    PassOn(step, 2, [](std::uint32_t) { return static_cast<const T*>(nullptr); });
  }

 private:
  // dx of an input = dy times the row's factor; null is 1.
  template <typename Factor>
  void PassOn(const Step<T>& step, int i, const Factor& factor_of) {
    if (this->write(i) == Write::kNone) return;
    const bool add = this->write(i) == Write::kAdd;
    const auto &x = this->input(i), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T *dy = y.gradient + r * y.stride, *factor = factor_of(r);
      T* __restrict dx = x.gradient + r * x.stride;
      for (std::uint32_t c = 0; c < y.cols; ++c) {
        const T g = factor == nullptr ? dy[c] : dy[c] * factor[c];
        dx[c] = add ? dx[c] + g : g;
      }
    }
  }
};

// y = x0 s + b + x: s is x w, [rows, 1].
template <typename T>
class VectorCrossLayer : public Layer<T> {
 public:
  VectorCrossLayer(Activation<T>* x0, Activation<T>* s, Activation<T>* x, Activation<T>* y, Parameter<T>* bias)
      : Layer<T>({x0, s, x}, y), bias_(bias) {}

  void Forward(const Step<T>& step) override {
    const auto &x0 = this->input(0), &s = this->input(1), &x = this->input(2), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T *first = x0.data + r * x0.stride, *in = x.data + r * x.stride, factor = s.data[r * s.stride];
      T* __restrict out = y.data + r * y.stride;
      for (std::uint32_t c = 0; c < y.cols; ++c) out[c] = first[c] * factor + bias_->data[c] + in[c];
    }
  }

  // By x0: dy s. By s: dy . x0. By b: the sum of dy. By x: dy.
  void Backward(const Step<T>& step) override {
    const auto &x0 = this->input(0), &s = this->input(1), &y = this->output();
    std::fill_n(bias_->gradient, y.cols, T{0});
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T *dy = y.gradient + r * y.stride, *first = x0.data + r * x0.stride;
      T dot = 0;
      for (std::uint32_t c = 0; c < y.cols; ++c) {
        dot += dy[c] * first[c];
        bias_->gradient[c] += dy[c];
      }
      T& ds = s.gradient[r * s.stride];
      ds = this->write(1) == Write::kAdd ? ds + dot : dot;
    }
    PassOn(step, 0, [&](std::uint32_t r) { return s.data[r * s.stride]; });
    PassOn(step, 2, [](std::uint32_t) { return T{1}; });
  }

 private:
  template <typename Factor>
  void PassOn(const Step<T>& step, int i, const Factor& factor_of) {
    if (this->write(i) == Write::kNone) return;
    const bool add = this->write(i) == Write::kAdd;
    const auto &x = this->input(i), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T *dy = y.gradient + r * y.stride, factor = factor_of(r);
      T* __restrict dx = x.gradient + r * x.stride;
      for (std::uint32_t c = 0; c < y.cols; ++c) dx[c] = add ? dx[c] + dy[c] * factor : dy[c] * factor;
    }
  }

  Parameter<T>* const bias_;
};

}  // namespace

template <typename T>
Activation<T>* Cross(Graph<T>* graph, const std::string& name, Activation<T>* x0, Activation<T>* x,
                     const CrossOptions& options) {
  CHECK_EQ(x0->cols, x->cols);
  const bool vector = options.kind == proto::CrossNetwork::VECTOR;
  Activation<T>* z = Linear(graph, name, x,
                            {.units = vector ? 1 : x0->cols,
                             .bias = !vector,
                             .precision = vector ? Precision::kFloat : options.precision,
                             .weight_optimizer = options.weight_optimizer,
                             .bias_optimizer = options.bias_optimizer});
  Activation<T>* y = graph->NewActivation(name + ".sum", x0->cols);
  if (!vector) return graph->Add(std::make_unique<MatrixCrossLayer<T>>(x0, z, x, y));
  proto::TensorSpec bias;
  bias.set_name(name + ".bias");
  bias.set_rows(1);
  bias.set_cols(x0->cols);
  *bias.mutable_optimizer() = options.bias_optimizer;
  bias.mutable_initializer()->set_kind(proto::Initializer::ZERO);
  return graph->Add(std::make_unique<VectorCrossLayer<T>>(x0, z, x, y, graph->NewParameter(bias)));
}

template Activation<float>* Cross(Graph<float>*, const std::string&, Activation<float>*, Activation<float>*,
                                  const CrossOptions&);
template Activation<double>* Cross(Graph<double>*, const std::string&, Activation<double>*, Activation<double>*,
                                   const CrossOptions&);

}  // namespace sherd::nn
