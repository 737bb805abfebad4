#include "models/nn/unit_length.h"

#include <cmath>

#include "models/nn/dot.h"

namespace sherd::nn {
namespace {

template <typename T>
class UnitLengthLayer : public Layer<T> {
 public:
  UnitLengthLayer(Activation<T>* x, Activation<T>* y, Activation<T>* scale, Activation<T>* product)
      : Layer<T>({x}, y), scale_(scale), product_(product) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    DotRows(x.values(step.rows), x.values(step.rows), scale_->values(step.rows));
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      T& scale = scale_->data[r * scale_->stride];
      scale = scale > 0 ? 1 / std::sqrt(scale) : 0;
      for (std::uint32_t c = 0; c < x.cols; ++c) y.data[r * y.stride + c] = scale * x.data[r * x.stride + c];
    }
  }

  // dx = (dy - y (y . dy)) / |x|
  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const auto &x = this->input(), &y = this->output();
    DotRows(y.values(step.rows), y.gradients(step.rows), product_->values(step.rows));
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T scale = scale_->data[r * scale_->stride], product = product_->data[r * product_->stride];
      const T *out = y.data + r * y.stride, *dy = y.gradient + r * y.stride;
      T* dx = x.gradient + r * x.stride;
      for (std::uint32_t c = 0; c < x.cols; ++c) {
        const T g = scale * (dy[c] - out[c] * product);
        dx[c] = this->write() == Write::kAdd ? dx[c] + g : g;
      }
    }
  }

 private:
  Activation<T>*const scale_, *const product_;  // [rows, 1]: 1 / |x|, and y . dy
};

}  // namespace

template <typename T>
Activation<T>* UnitLength(Graph<T>* graph, const std::string& name, Activation<T>* x) {
  return graph->Add(std::make_unique<UnitLengthLayer<T>>(x, graph->NewActivation(name, x->cols), graph->NewScratch(1),
                                                         graph->NewScratch(1)));
}

template Activation<float>* UnitLength(Graph<float>*, const std::string&, Activation<float>*);
template Activation<double>* UnitLength(Graph<double>*, const std::string&, Activation<double>*);

}  // namespace sherd::nn
