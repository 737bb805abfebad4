#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "models/nn/graph.h"

namespace sherd::nn {

// A value in [-1, 1) that float holds exactly: a function of its arguments.
inline double Value(std::uint64_t seed, std::uint64_t index) { return 2.0 * UnitFloat(Mix(seed, index)) - 1; }

// A test's input: an activation that is a parameter, so that gradients by inputs are gradients by parameters.
template <typename T>
class LeafLayer : public Layer<T> {
 public:
  LeafLayer(Activation<T>* y, Parameter<T>* values) : Layer<T>({}, y), values_(values) {}

  void Forward(const Step<T>& step) override {
    const auto& y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r)
      std::copy_n(values_->data + r * y.cols, y.cols, y.data + r * y.stride);
  }
  void Backward(const Step<T>& step) override {
    const auto& y = this->output();
    std::fill_n(values_->gradient, values_->size(), T{0});
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      std::copy_n(y.gradient + r * y.stride, y.cols, values_->gradient + r * y.cols);
    }
  }

 private:
  Parameter<T>* const values_;
};

// Of the batch's rows, or of those of a domain, which are then `rows`.
template <typename T>
Activation<T>* Leaf(Graph<T>* graph, const std::string& name, std::uint32_t rows, std::uint32_t cols,
                    const Domain* domain = nullptr) {
  proto::TensorSpec tensor;
  tensor.set_name(name);
  tensor.set_rows(rows);
  tensor.set_cols(cols);
  tensor.mutable_optimizer()->mutable_sgd();
  Parameter<T>* values = graph->NewParameter(tensor);
  return graph->AddIn(domain, std::make_unique<LeafLayer<T>>(graph->NewActivation(name, cols), values));
}

// A table that rows of these many events look up in its one field, for layers over events; the events' rows do not
// matter.
class EventLengths {
 public:
  explicit EventLengths(const std::vector<std::uint32_t>& lengths) {
    for (const std::uint32_t length : lengths) offset_.push_back(offset_.back() + length);
    unique_.assign(offset_.back(), 0);
  }
  template <typename T>
  TableBatch<T> table() const {
    return {.unique = unique_, .offset = offset_, .weight = {}, .values = {}, .gradients = {}};
  }
  std::uint32_t rows() const { return static_cast<std::uint32_t>(offset_.size()) - 1; }
  std::uint32_t events() const { return offset_.back(); }

 private:
  std::vector<std::uint32_t> offset_ = {0}, unique_;
};

// Two-sided differences of f at each x, against the gradients that were computed.
inline void CheckGradients(const std::string& what, std::vector<double*> x, const std::vector<double>& gradients,
                           const std::function<double()>& f, double tolerance = 2e-8) {
  constexpr double kStep = 1e-5;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double at = *x[i];
    *x[i] = at + kStep;
    const double above = f();
    *x[i] = at - kStep;
    const double below = f();
    *x[i] = at;
    const double expected = (above - below) / (2 * kStep);
    ASSERT_NEAR(gradients[i], expected, tolerance * (1 + std::abs(expected))) << what << " element " << i;
  }
}

// A graph under test: fills its parameters, takes a weighted sum of its output as the loss, and checks all gradients.
class GraphCheck {
 public:
  GraphCheck(Graph<double>* graph, Activation<double>* output, std::uint32_t rows)
      : graph_(graph), output_(output), rows_(rows) {
    graph->Build(output, rows);
    for (std::size_t i = 0; i < graph->parameters().size(); ++i) graph->parameters()[i] = Value(7, i);
  }

  Batch<double>& batch() { return batch_; }
  void Forward(bool training = true) { graph_->Forward(StepOf(training)); }
  double Loss() {
    Forward();
    double sum = 0;
    for (std::uint32_t r = 0; r < graph_->RowsOf(*output_); ++r) {
      for (std::uint32_t c = 0; c < output_->cols; ++c)
        sum += Coefficient(r, c) * output_->data[r * output_->stride + c];
    }
    return sum;
  }
  void Backward() {
    Forward();
    for (std::uint32_t r = 0; r < graph_->RowsOf(*output_); ++r) {
      for (std::uint32_t c = 0; c < output_->cols; ++c) output_->gradient[r * output_->stride + c] = Coefficient(r, c);
    }
    graph_->Backward(StepOf(true));
  }
  // Of every parameter that is not a running statistic.
  void Check() {
    Backward();
    std::vector<double*> x;
    std::vector<double> gradients;
    std::size_t at = 0;
    for (const auto& tensor : graph_->spec().tensor()) {
      const std::size_t size = std::size_t{tensor.rows()} * tensor.cols();
      for (std::size_t i = 0; i < size && !tensor.optimizer().has_moving_average(); ++i) {
        x.push_back(&graph_->parameters()[at + i]);
        gradients.push_back(graph_->gradients()[at + i]);
      }
      at += (size + 15) / 16 * 16;
    }
    ASSERT_FALSE(x.empty());
    CheckGradients("parameters", x, gradients, [&] { return Loss(); });
  }
  double output(std::uint32_t r, std::uint32_t c) const { return output_->data[r * output_->stride + c]; }

 private:
  static double Coefficient(std::uint32_t r, std::uint32_t c) { return Value(99, r * 1000 + c); }
  Step<double> StepOf(bool training) {
    batch_.rows = rows_;
    return {.batch = &batch_, .rows = rows_, .training = training, .seed = 5, .kernels = &Kernels<double>::Best()};
  }

  Graph<double>* const graph_;
  Activation<double>* const output_;
  const std::uint32_t rows_;
  Batch<double> batch_;
};

}  // namespace sherd::nn
