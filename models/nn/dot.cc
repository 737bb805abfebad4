#include "models/nn/dot.h"

#include <glog/logging.h>

namespace sherd::nn {
namespace {

// Eight sums side by side, in a fixed order, that any compiler turns into vector instructions.
template <typename T>
T Product(const T* a, const T* b, std::uint32_t cols) {
  T sums[8] = {};
  std::uint32_t c = 0;
  for (; c + 8 <= cols; c += 8) {
    for (int lane = 0; lane < 8; ++lane) sums[lane] += a[c + lane] * b[c + lane];
  }
  for (; c < cols; ++c) sums[c % 8] += a[c] * b[c];
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

template <typename T>
class DotLayer : public Layer<T> {
 public:
  using Layer<T>::Layer;

  void Forward(const Step<T>& step) override {
    DotRows(this->input(0).values(step.rows), this->input(1).values(step.rows), this->output().values(step.rows));
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
      const T dy = y.gradient[r * y.stride];
      const T* factor = z.data + r * z.stride;
      T* dx = x.gradient + r * x.stride;
      if (this->write(to) == Write::kAdd) {
        for (std::uint32_t c = 0; c < x.cols; ++c) dx[c] += dy * factor[c];
      } else {
        for (std::uint32_t c = 0; c < x.cols; ++c) dx[c] = dy * factor[c];
      }
    }
  }
};

}  // namespace

template <typename T>
void DotRows(Matrix<T> a, Matrix<T> b, Matrix<T> y) {
  for (std::uint32_t r = 0; r < y.rows; ++r) {
    y.data[r * y.stride] = Product(a.data + r * a.stride, b.data + r * b.stride, a.cols);
  }
}

template <typename T>
Activation<T>* Dot(Graph<T>* graph, const std::string& name, Activation<T>* a, Activation<T>* b) {
  CHECK_EQ(a->cols, b->cols);
  return graph->Add(std::make_unique<DotLayer<T>>(std::vector{a, b}, graph->NewActivation(name, 1)));
}

template void DotRows(Matrix<float>, Matrix<float>, Matrix<float>);
template void DotRows(Matrix<double>, Matrix<double>, Matrix<double>);
template Activation<float>* Dot(Graph<float>*, const std::string&, Activation<float>*, Activation<float>*);
template Activation<double>* Dot(Graph<double>*, const std::string&, Activation<double>*, Activation<double>*);

}  // namespace sherd::nn
