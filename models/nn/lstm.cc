#include "models/nn/lstm.h"

#include <glog/logging.h>

#include <algorithm>
#include <cmath>

#include "models/nn/gemm.h"
#include "models/nn/linear.h"
#include "models/nn/time_steps.h"

namespace sherd::nn {
namespace {

// The recurrence, of [i f g o] that the input has been made into. Everything but input and output is packed by time
// steps, so that each step is a product of matrices over all rows that have it.
template <typename T>
class LstmLayer : public Layer<T> {
 public:
  struct Memory {
    Activation<T>* before;         // [events, units]: h
    Activation<T>* gates;          // [events, 4 units]: [i f g o] after sigmoid and tanh; going back their gradient
    Activation<T>* cell;           // [events, units]: c_k
    Activation<T>* squashed;       // [events, units]: tanh(c_k)
    Activation<T>* cell_gradient;  // [events, units]: what c_k gets from the next step
    Activation<T>* state;          // [events, units]: y; going back its gradient
  };

  LstmLayer(Activation<T>* x, Activation<T>* y, Memory memory, Parameter<T>* weight)
      : Layer<T>({x}, y), units_(y->cols), memory_(memory), weight_(weight) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    time_.Make(*x.domain, step.batch->rows);
    for (std::uint32_t k = 0; k < step.rows; ++k) {
      std::copy_n(x.data + k * x.stride, x.cols, Row(memory_.gates, time_.packed(k)));
    }
    for (std::uint32_t t = 0; t < time_.steps(); ++t) StepForward(step, t);
    for (std::uint32_t k = 0; k < step.rows; ++k) {
      std::copy_n(Row(memory_.state, time_.packed(k)), y.cols, y.data + k * y.stride);
    }
  }

  void Backward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t k = 0; k < step.rows; ++k) {
      std::copy_n(y.gradient + k * y.stride, y.cols, Row(memory_.state, time_.packed(k)));
      std::fill_n(Row(memory_.cell_gradient, k), units_, T{0});
    }
    for (std::uint32_t t = time_.steps(); t > 0; --t) StepBackward(t - 1);
    const Activation<T>&h = *memory_.before, &d = *memory_.gates;
    Gemm(Transpose::kYes, Transpose::kNo, units_, 4 * units_, step.rows, h.data, h.stride, d.data, d.stride,
         Accumulate::kNo, weight_->gradient, weight_->cols);
    if (this->write() == Write::kNone) return;
    for (std::uint32_t k = 0; k < step.rows; ++k) {
      const T* from = Row(memory_.gates, time_.packed(k));
      T* dx = x.gradient + k * x.stride;
      for (std::uint32_t c = 0; c < x.cols; ++c) dx[c] = this->write() == Write::kAdd ? dx[c] + from[c] : from[c];
    }
  }

 private:
  static T* Row(const Activation<T>* a, std::uint32_t i) { return a->data + i * a->stride; }

  // The gates' columns [first, first + count) * units of a step's rows.
  Matrix<T> Gates(std::uint32_t start, std::uint32_t rows, std::uint32_t first, std::uint32_t count) const {
    const Activation<T>& gates = *memory_.gates;
    return {Row(&gates, start) + first * units_, gates.stride, rows, count * units_};
  }

  void StepForward(const Step<T>& step, std::uint32_t t) {
    const std::uint32_t start = time_.start(t), rows = time_.rows(t);
    const Activation<T>&h = *memory_.before, &gates = *memory_.gates, &squashed = *memory_.squashed;
    for (std::uint32_t i = 0; i < rows; ++i) {
      T* const before = Row(&h, start + i);
      if (t == 0) {
        std::fill_n(before, units_, T{0});
      } else {
        std::copy_n(Row(memory_.state, time_.start(t - 1) + i), units_, before);
      }
    }
    if (t > 0) {
      Gemm(Transpose::kNo, Transpose::kNo, rows, 4 * units_, units_, Row(&h, start), h.stride, weight_->data,
           weight_->cols, Accumulate::kYes, Row(&gates, start), gates.stride);
    }
    step.kernels->bias_activation(Gates(start, rows, 0, 2), nullptr, Nonlinearity::kSigmoid);
    step.kernels->bias_activation(Gates(start, rows, 2, 1), nullptr, Nonlinearity::kTanh);
    step.kernels->bias_activation(Gates(start, rows, 3, 1), nullptr, Nonlinearity::kSigmoid);
    for (std::uint32_t i = 0; i < rows; ++i) {
      const T *in = Row(&gates, start + i), *forget = in + units_, *candidate = forget + units_;
      T* const __restrict cell = Row(memory_.cell, start + i), * const copy = Row(&squashed, start + i);
      const T* const before = t > 0 ? Row(memory_.cell, time_.start(t - 1) + i) : nullptr;
      for (std::uint32_t c = 0; c < units_; ++c) {
        cell[c] = in[c] * candidate[c] + (before != nullptr ? forget[c] * before[c] : T{0});
      }
      std::copy_n(cell, units_, copy);
    }
    step.kernels->bias_activation({Row(&squashed, start), squashed.stride, rows, units_}, nullptr, Nonlinearity::kTanh);
    for (std::uint32_t i = start; i < start + rows; ++i) {
      const T *out = Row(&gates, i) + 3 * units_, *tanh = Row(&squashed, i);
      T* const __restrict y = Row(memory_.state, i);
      for (std::uint32_t c = 0; c < units_; ++c) y[c] = out[c] * tanh[c];
    }
  }

  // From the gradients of y and c_k, in which those of the next step are already: those of [i f g o] in place of the
  // gates, and what h and c get, added to the step's before.
  void StepBackward(std::uint32_t t) {
    const std::uint32_t start = time_.start(t), rows = time_.rows(t);
    for (std::uint32_t i = 0; i < rows; ++i) RowBackward(start + i, t > 0 ? time_.start(t - 1) + i : start + i, t > 0);
    if (t == 0) return;
    const Activation<T>&d = *memory_.gates, &state = *memory_.state;
    Gemm(Transpose::kNo, Transpose::kYes, rows, units_, 4 * units_, Row(&d, start), d.stride, weight_->data,
         weight_->cols, Accumulate::kYes, Row(&state, time_.start(t - 1)), state.stride);
  }

  void RowBackward(std::uint32_t row, std::uint32_t before, bool has_before) {
    T *const in = Row(memory_.gates, row), *const forget = in + units_, *const candidate = forget + units_,
             *const out = candidate + units_;
    const T *const dy = Row(memory_.state, row), *const tanh = Row(memory_.squashed, row),
                   *const from_next = Row(memory_.cell_gradient, row), *const cell = Row(memory_.cell, before);
    T* const carried = Row(memory_.cell_gradient, before);
    for (std::uint32_t c = 0; c < units_; ++c) {
      const T i = in[c], f = forget[c], g = candidate[c], o = out[c];
      const T dc = from_next[c] + dy[c] * o * (1 - tanh[c] * tanh[c]);
      in[c] = dc * g * i * (1 - i);
      forget[c] = has_before ? dc * cell[c] * f * (1 - f) : T{0};
      candidate[c] = dc * i * (1 - g * g);
      out[c] = dy[c] * tanh[c] * o * (1 - o);
      if (has_before) carried[c] += dc * f;
    }
  }

  const std::uint32_t units_;
  const Memory memory_;
  Parameter<T>* const weight_;
  TimeSteps time_;
};

}  // namespace

template <typename T>
Activation<T>* Lstm(Graph<T>* graph, const std::string& name, Activation<T>* x, const LstmOptions& options) {
  CHECK(x->domain != nullptr);
  Activation<T>* gates = Linear(graph, name + ".input", x,
                                {.units = 4 * options.units,
                                 .weight_optimizer = options.weight_optimizer,
                                 .bias_optimizer = options.bias_optimizer});
  proto::TensorSpec spec;
  spec.set_name(name + ".recurrent.weight");
  spec.set_rows(options.units);
  spec.set_cols(4 * options.units);
  *spec.mutable_optimizer() = options.weight_optimizer;
  spec.mutable_initializer()->set_kind(proto::Initializer::UNIFORM);
  spec.mutable_initializer()->set_scale(1 / std::sqrt(static_cast<double>(options.units)));
  Parameter<T>* weight = graph->NewParameter(spec);
  const auto scratch = [&](std::uint32_t cols) { return graph->NewScratch(cols, x->domain); };
  const typename LstmLayer<T>::Memory memory = {.before = scratch(options.units),
                                                .gates = scratch(4 * options.units),
                                                .cell = scratch(options.units),
                                                .squashed = scratch(options.units),
                                                .cell_gradient = scratch(options.units),
                                                .state = scratch(options.units)};
  return graph->Add(std::make_unique<LstmLayer<T>>(gates, graph->NewActivation(name, options.units), memory, weight));
}

template Activation<float>* Lstm(Graph<float>*, const std::string&, Activation<float>*, const LstmOptions&);
template Activation<double>* Lstm(Graph<double>*, const std::string&, Activation<double>*, const LstmOptions&);

}  // namespace sherd::nn
