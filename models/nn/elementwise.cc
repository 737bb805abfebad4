#include "models/nn/elementwise.h"

#include <glog/logging.h>

#include <algorithm>

namespace sherd::nn {
namespace {

template <typename T>
class ProductLayer : public Layer<T> {
 public:
  using Layer<T>::Layer;

  void Forward(const Step<T>& step) override {
    const auto &a = this->input(0), &b = this->input(1), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T *left = a.data + r * a.stride, *right = b.data + r * b.stride;
      T* out = y.data + r * y.stride;
      for (std::uint32_t c = 0; c < y.cols; ++c) out[c] = left[c] * right[c];
    }
  }

  void Backward(const Step<T>& step) override {
    PassOn(step, 0, 1);
    PassOn(step, 1, 0);
  }

 private:
  // dx of one input = dy * the other one.
  void PassOn(const Step<T>& step, int to, int other) {
    if (this->write(to) == Write::kNone) return;
    const auto &x = this->input(to), &z = this->input(other), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T *dy = y.gradient + r * y.stride, *factor = z.data + r * z.stride;
      T* dx = x.gradient + r * x.stride;
      for (std::uint32_t c = 0; c < y.cols; ++c) {
        dx[c] = this->write(to) == Write::kAdd ? dx[c] + dy[c] * factor[c] : dy[c] * factor[c];
      }
    }
  }
};

template <typename T>
class PairSumLayer : public Layer<T> {
 public:
  using Layer<T>::Layer;

  void Forward(const Step<T>& step) override {
    const auto &a = this->input(0), &b = this->input(1), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T *left = a.data + r * a.stride, *right = b.data + r * b.stride;
      T* __restrict out = y.data + r * y.stride;
      for (std::uint32_t c = 0; c < y.cols; ++c) out[c] = left[c] + right[c];
    }
  }

  void Backward(const Step<T>& step) override {
    const auto& y = this->output();
    for (int i = 0; i < 2; ++i) {
      if (this->write(i) == Write::kNone) continue;
      const auto& x = this->input(i);
      const bool add = this->write(i) == Write::kAdd;
      for (std::uint32_t r = 0; r < step.rows; ++r) {
        const T* dy = y.gradient + r * y.stride;
        T* __restrict dx = x.gradient + r * x.stride;
        for (std::uint32_t c = 0; c < y.cols; ++c) dx[c] = add ? dx[c] + dy[c] : dy[c];
      }
    }
  }
};

template <typename T>
class SumLayer : public Layer<T> {
 public:
  SumLayer(std::vector<Activation<T>*> terms, Activation<T>* y, Parameter<T>* bias)
      : Layer<T>(std::move(terms), y), bias_(bias) {}

  void Forward(const Step<T>& step) override {
    const auto& y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      T sum = *bias_->data;
      for (int i = 0; i < this->input_count(); ++i) sum += this->input(i).data[r * this->input(i).stride];
      y.data[r * y.stride] = sum;
    }
  }

  void Backward(const Step<T>& step) override {
    const auto& y = this->output();
    T sum = 0;
    for (std::uint32_t r = 0; r < step.rows; ++r) sum += y.gradient[r * y.stride];
    *bias_->gradient = sum;
    for (int i = 0; i < this->input_count(); ++i) {
      if (this->write(i) == Write::kNone) continue;
      const auto& x = this->input(i);
      for (std::uint32_t r = 0; r < step.rows; ++r) {
        const T dy = y.gradient[r * y.stride];
        T& dx = x.gradient[r * x.stride];
        dx = this->write(i) == Write::kAdd ? dx + dy : dy;
      }
    }
  }

 private:
  Parameter<T>* const bias_;
};

template <typename T>
class NumbersLayer : public Layer<T> {
 public:
  explicit NumbersLayer(Activation<T>* y) : Layer<T>({}, y) {}

  void Forward(const Step<T>& step) override {
    const auto& y = this->output();
    CHECK_EQ(step.batch->numbers.size(), std::size_t{step.rows} * y.cols);
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      std::copy_n(step.batch->numbers.data() + std::size_t{r} * y.cols, y.cols, y.data + r * y.stride);
    }
  }
  void Backward(const Step<T>&) override {}
};

}  // namespace

template <typename T>
Activation<T>* Product(Graph<T>* graph, const std::string& name, Activation<T>* a, Activation<T>* b) {
  CHECK_EQ(a->cols, b->cols);
  return graph->Add(std::make_unique<ProductLayer<T>>(std::vector{a, b}, graph->NewActivation(name, a->cols)));
}

template <typename T>
Activation<T>* Sum(Graph<T>* graph, const std::string& name, Activation<T>* a, Activation<T>* b) {
  CHECK_EQ(a->cols, b->cols);
  CHECK_EQ(a->domain, b->domain);
  return graph->Add(std::make_unique<PairSumLayer<T>>(std::vector{a, b}, graph->NewActivation(name, a->cols)));
}

template <typename T>
Activation<T>* SumWithBias(Graph<T>* graph, const std::string& name, const std::vector<Activation<T>*>& terms,
                           const proto::Optimizer& optimizer) {
  proto::TensorSpec bias;
  bias.set_name(name + ".bias");
  bias.set_rows(1);
  bias.set_cols(1);
  *bias.mutable_optimizer() = optimizer;
  bias.mutable_initializer()->set_kind(proto::Initializer::ZERO);
  Parameter<T>* parameter = graph->NewParameter(bias);
  return graph->Add(std::make_unique<SumLayer<T>>(terms, graph->NewActivation(name, 1), parameter));
}

template <typename T>
Activation<T>* Numbers(Graph<T>* graph, const std::string& name, std::uint32_t cols) {
  Activation<T>* y = graph->NewActivation(name, cols);
  y->needs_gradient = false;
  return graph->Add(std::make_unique<NumbersLayer<T>>(y));
}

template Activation<float>* Product(Graph<float>*, const std::string&, Activation<float>*, Activation<float>*);
template Activation<double>* Product(Graph<double>*, const std::string&, Activation<double>*, Activation<double>*);
template Activation<float>* Sum(Graph<float>*, const std::string&, Activation<float>*, Activation<float>*);
template Activation<double>* Sum(Graph<double>*, const std::string&, Activation<double>*, Activation<double>*);
template Activation<float>* SumWithBias(Graph<float>*, const std::string&, const std::vector<Activation<float>*>&,
                                        const proto::Optimizer&);
template Activation<double>* SumWithBias(Graph<double>*, const std::string&, const std::vector<Activation<double>*>&,
                                         const proto::Optimizer&);
template Activation<float>* Numbers(Graph<float>*, const std::string&, std::uint32_t);
template Activation<double>* Numbers(Graph<double>*, const std::string&, std::uint32_t);

}  // namespace sherd::nn
