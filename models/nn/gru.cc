#include "models/nn/gru.h"

#include <glog/logging.h>

#include <algorithm>
#include <cmath>

#include "models/nn/gemm.h"
#include "models/nn/linear.h"
#include "models/nn/time_steps.h"

namespace sherd::nn {
namespace {

// The recurrence, of [r z a] that the input has been made into. Everything but input and output is packed by time
// steps, so that each step is a product of matrices over all rows that have it.
template <typename T>
class RecurrenceLayer : public Layer<T> {
 public:
  struct Memory {
    Activation<T>* before;     // [events, units]: h
    Activation<T>* recurrent;  // [events, 3 units]: [. . a']; going back its gradient
    Activation<T>* gates;      // [events, 3 units]: [r z n]; going back the gradient of x W + b
    Activation<T>* state;      // [events, units]: y; going back its gradient
  };

  RecurrenceLayer(Activation<T>* x, Activation<T>* y, Memory memory, Parameter<T>* weight, Parameter<T>* bias)
      : Layer<T>({x}, y), units_(y->cols), memory_(memory), weight_(weight), bias_(bias) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    time_.Make(*x.domain, step.batch->rows);
    for (std::uint32_t k = 0; k < step.rows; ++k)
      std::copy_n(x.data + k * x.stride, x.cols, Row(memory_.gates, Packed(k)));
    for (std::uint32_t t = 0; t < time_.steps(); ++t) StepForward(step, t);
    for (std::uint32_t k = 0; k < step.rows; ++k)
      std::copy_n(Row(memory_.state, Packed(k)), y.cols, y.data + k * y.stride);
  }

  void Backward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t k = 0; k < step.rows; ++k) {
      std::copy_n(y.gradient + k * y.stride, y.cols, Row(memory_.state, Packed(k)));
    }
    for (std::uint32_t t = time_.steps(); t > 0; --t) StepBackward(t - 1);
    const Activation<T>&h = *memory_.before, &d = *memory_.recurrent;
    Gemm(Transpose::kYes, Transpose::kNo, units_, 3 * units_, step.rows, h.data, h.stride, d.data, d.stride,
         Accumulate::kNo, weight_->gradient, weight_->cols);
    std::fill_n(bias_->gradient, bias_->size(), T{0});
    for (std::uint32_t i = 0; i < step.rows; ++i) AddTo(Row(memory_.recurrent, i), 3 * units_, bias_->gradient);
    if (this->write() == Write::kNone) return;
    for (std::uint32_t k = 0; k < step.rows; ++k) {
      const T* from = Row(memory_.gates, Packed(k));
      if (this->write() == Write::kAdd) {
        AddTo(from, x.cols, x.gradient + k * x.stride);
      } else {
        std::copy_n(from, x.cols, x.gradient + k * x.stride);
      }
    }
  }

 private:
  static T* Row(const Activation<T>* a, std::uint32_t i) { return a->data + i * a->stride; }
  std::uint32_t Packed(std::uint32_t event) const { return time_.packed(event); }
  static void AddTo(const T* __restrict from, std::uint32_t n, T* __restrict to) {
    for (std::uint32_t i = 0; i < n; ++i) to[i] += from[i];
  }

  void StepForward(const Step<T>& step, std::uint32_t t) {
    const std::uint32_t start = time_.start(t), rows = time_.rows(t);
    for (std::uint32_t i = 0; i < rows; ++i) {
      T *h = Row(memory_.before, start + i), *recurrent = Row(memory_.recurrent, start + i);
      if (t == 0) {
        std::fill_n(h, units_, T{0});
      } else {
        std::copy_n(Row(memory_.state, time_.start(t - 1) + i), units_, h);
      }
      std::copy_n(bias_->data, 3 * units_, recurrent);
    }
    const Activation<T>&h = *memory_.before, &recurrent = *memory_.recurrent, &gates = *memory_.gates;
    if (t > 0) {
      Gemm(Transpose::kNo, Transpose::kNo, rows, 3 * units_, units_, Row(&h, start), h.stride, weight_->data,
           weight_->cols, Accumulate::kYes, Row(&recurrent, start), recurrent.stride);
    }
    for (std::uint32_t i = start; i < start + rows; ++i) AddTo(Row(&recurrent, i), 2 * units_, Row(&gates, i));
    const Matrix<T> reset_update = {Row(&gates, start), gates.stride, rows, 2 * units_};
    step.kernels->bias_activation(reset_update, nullptr, Nonlinearity::kSigmoid);
    for (std::uint32_t i = start; i < start + rows; ++i) {
      const T *r = Row(&gates, i), *a = Row(&recurrent, i) + 2 * units_;
      T* __restrict n = Row(&gates, i) + 2 * units_;
      for (std::uint32_t c = 0; c < units_; ++c) n[c] += r[c] * a[c];
    }
    const Matrix<T> candidate = {Row(&gates, start) + 2 * units_, gates.stride, rows, units_};
    step.kernels->bias_activation(candidate, nullptr, Nonlinearity::kTanh);
    for (std::uint32_t i = start; i < start + rows; ++i) {
      const T *z = Row(&gates, i) + units_, *n = z + units_, *before = Row(&h, i);
      T* __restrict y = Row(memory_.state, i);
      for (std::uint32_t c = 0; c < units_; ++c) y[c] = (1 - z[c]) * n[c] + z[c] * before[c];
    }
  }

  // From the gradient of y, in which that of the next step is already: those of [r z a] in place of the gates and of
  // [r' z' a'], and what h gets, added to the state's before.
  void StepBackward(std::uint32_t t) {
    const std::uint32_t start = time_.start(t), rows = time_.rows(t);
    for (std::uint32_t i = 0; i < rows; ++i) {
      T* const gates = Row(memory_.gates, start + i);
      T* const recurrent = Row(memory_.recurrent, start + i);
      T* const carried = t > 0 ? Row(memory_.state, time_.start(t - 1) + i) : nullptr;
      RowBackward(Row(memory_.state, start + i), Row(memory_.before, start + i), gates, recurrent, carried);
    }
    if (t == 0) return;
    const Activation<T>&d = *memory_.recurrent, &state = *memory_.state;
    Gemm(Transpose::kNo, Transpose::kYes, rows, units_, 3 * units_, Row(&d, start), d.stride, weight_->data,
         weight_->cols, Accumulate::kYes, Row(&state, time_.start(t - 1)), state.stride);
  }

  void RowBackward(const T* dy, const T* h, T* gates, T* recurrent, T* carried) const {
    for (std::uint32_t c = 0; c < units_; ++c) {
      const T r = gates[c], z = gates[units_ + c], n = gates[2 * units_ + c], a = recurrent[2 * units_ + c];
      const T dn = dy[c] * (1 - z) * (1 - n * n), dz = dy[c] * (h[c] - n) * z * (1 - z), dr = dn * a * r * (1 - r);
      gates[c] = recurrent[c] = dr;
      gates[units_ + c] = recurrent[units_ + c] = dz;
      gates[2 * units_ + c] = dn;
      recurrent[2 * units_ + c] = dn * r;
      if (carried != nullptr) carried[c] += dy[c] * z;
    }
  }

  const std::uint32_t units_;
  const Memory memory_;
  Parameter<T>*const weight_, *const bias_;
  TimeSteps time_;
};

}  // namespace

template <typename T>
Activation<T>* Gru(Graph<T>* graph, const std::string& name, Activation<T>* x, const GruOptions& options) {
  CHECK(x->domain != nullptr);
  Activation<T>* gates = Linear(graph, name + ".input", x,
                                {.units = 3 * options.units,
                                 .weight_optimizer = options.weight_optimizer,
                                 .bias_optimizer = options.bias_optimizer});
  const auto tensor = [&](const char* part, std::uint32_t rows, const proto::Optimizer& optimizer, double scale) {
    proto::TensorSpec spec;
    spec.set_name(name + ".recurrent." + part);
    spec.set_rows(rows);
    spec.set_cols(3 * options.units);
    *spec.mutable_optimizer() = optimizer;
    spec.mutable_initializer()->set_kind(scale == 0 ? proto::Initializer::ZERO : proto::Initializer::UNIFORM);
    if (scale != 0) spec.mutable_initializer()->set_scale(scale);
    return graph->NewParameter(spec);
  };
  Parameter<T>* weight =
      tensor("weight", options.units, options.weight_optimizer, 1 / std::sqrt(static_cast<double>(options.units)));
  Parameter<T>* bias = tensor("bias", 1, options.bias_optimizer, 0);
  const auto scratch = [&](std::uint32_t cols) { return graph->NewScratch(cols, x->domain); };
  const typename RecurrenceLayer<T>::Memory memory = {.before = scratch(options.units),
                                                      .recurrent = scratch(3 * options.units),
                                                      .gates = scratch(3 * options.units),
                                                      .state = scratch(options.units)};
  return graph->Add(
      std::make_unique<RecurrenceLayer<T>>(gates, graph->NewActivation(name, options.units), memory, weight, bias));
}

template Activation<float>* Gru(Graph<float>*, const std::string&, Activation<float>*, const GruOptions&);
template Activation<double>* Gru(Graph<double>*, const std::string&, Activation<double>*, const GruOptions&);

}  // namespace sherd::nn
