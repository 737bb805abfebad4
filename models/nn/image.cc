#include "models/nn/image.h"

#include <glog/logging.h>

#include <algorithm>
#include <cmath>

#include "base/aligned_buffer.h"
#include "models/nn/gemm.h"

namespace sherd::nn {
namespace {

constexpr std::uint32_t kSide = 3;

// An image at a time: its pixels' surroundings become rows of a matrix, so that it is a product.
template <typename T>
class ImageConvolutionLayer : public Layer<T> {
 public:
  ImageConvolutionLayer(Activation<T>* x, Activation<T>* y, const ImageShape& shape, Parameter<T>* weight,
                        Parameter<T>* bias, Nonlinearity f)
      : Layer<T>({x}, y),
        shape_(shape),
        weight_(weight),
        bias_(bias),
        nonlinearity_(f),
        around_(std::size_t{shape.pixels()} * weight->rows) {}

  void Forward(const Step<T>& step) override {
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const Matrix<T> y = Pixels(this->output().data, r);
      Gather(r);
      Gemm(Transpose::kNo, Transpose::kNo, y.rows, y.cols, weight_->rows, around_.data(), weight_->rows, weight_->data,
           weight_->cols, Accumulate::kNo, y.data, y.stride);
      step.kernels->bias_activation(y, bias_->data, nonlinearity_);
    }
  }

  void Backward(const Step<T>& step) override {
    const auto& x = this->input();
    std::fill_n(weight_->gradient, weight_->size(), T{0});
    std::fill_n(bias_->gradient, bias_->size(), T{0});
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const Matrix<T> dz = Pixels(this->output().gradient, r);
      step.kernels->activation_gradient(Pixels(this->output().data, r).data, dz, nullptr, nonlinearity_);
      for (std::uint32_t pixel = 0; pixel < dz.rows; ++pixel) {
        for (std::uint32_t c = 0; c < dz.cols; ++c) bias_->gradient[c] += dz.data[pixel * dz.stride + c];
      }
      Gather(r);
      Gemm(Transpose::kYes, Transpose::kNo, weight_->rows, dz.cols, dz.rows, around_.data(), weight_->rows, dz.data,
           dz.stride, Accumulate::kYes, weight_->gradient, weight_->cols);
      if (this->write() == Write::kNone) continue;
      Gemm(Transpose::kNo, Transpose::kYes, dz.rows, weight_->rows, dz.cols, dz.data, dz.stride, weight_->data,
           weight_->cols, Accumulate::kNo, around_.data(), weight_->rows);
      if (this->write() == Write::kAssign) std::fill_n(x.gradient + r * x.stride, x.cols, T{0});
      Scatter(r);
    }
  }

 private:
  // Image r of the output, [pixels, filters].
  Matrix<T> Pixels(T* data, std::uint32_t r) const {
    return {data + r * this->output().stride, weight_->cols, shape_.pixels(), weight_->cols};
  }

  // Calls visit(place in around_, first element in the image, elements) for each line of three pixels that is inside,
  // and edge(place) for each pixel that is not.
  template <typename Visit, typename Edge>
  void ForEach(const Visit& visit, const Edge& edge) const {
    const auto height = static_cast<std::int64_t>(shape_.height), width = static_cast<std::int64_t>(shape_.width);
    std::size_t place = 0;
    for (std::int64_t line = 0; line < height; ++line) {
      for (std::int64_t column = 0; column < width; ++column) {
        for (std::int64_t i = line - 1; i < line - 1 + kSide; ++i) {
          for (std::int64_t j = column - 1; j < column - 1 + kSide; ++j, place += shape_.channels) {
            if (i < 0 || i >= height || j < 0 || j >= width) {
              edge(place);
            } else {
              visit(place, static_cast<std::size_t>(i * width + j) * shape_.channels);
            }
          }
        }
      }
    }
  }

  void Gather(std::uint32_t r) {
    const T* const image = this->input().data + r * this->input().stride;
    ForEach([&](std::size_t to, std::size_t from) { std::copy_n(image + from, shape_.channels, &around_[to]); },
            [&](std::size_t to) { std::fill_n(&around_[to], shape_.channels, T{0}); });
  }

  void Scatter(std::uint32_t r) const {
    T* const gradient = this->input().gradient + r * this->input().stride;
    ForEach(
        [&](std::size_t from, std::size_t to) {
          for (std::uint32_t c = 0; c < shape_.channels; ++c) gradient[to + c] += around_[from + c];
        },
        [](std::size_t) {});
  }

  const ImageShape shape_;
  Parameter<T>* const weight_;  // [9 * channels, filters]
  Parameter<T>* const bias_;    // [1, filters]
  const Nonlinearity nonlinearity_;
  AlignedBuffer<T> around_;  // [pixels, 9 * channels]: of the image at hand
};

template <typename T>
class MaxPoolLayer : public Layer<T> {
 public:
  MaxPoolLayer(Activation<T>* x, Activation<T>* y, const ImageShape& shape) : Layer<T>({x}, y), shape_(shape) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T* in = x.data + r * x.stride;
      T* out = y.data + r * y.stride;
      ForEach([&](std::size_t to, const std::size_t(&from)[4]) {
        out[to] = std::max(std::max(in[from[0]], in[from[1]]), std::max(in[from[2]], in[from[3]]));
      });
    }
  }

  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T *in = x.data + r * x.stride, *out = y.data + r * y.stride, *dy = y.gradient + r * y.stride;
      T* dx = x.gradient + r * x.stride;
      if (this->write() == Write::kAssign) std::fill_n(dx, x.cols, T{0});
      ForEach([&](std::size_t to, const std::size_t(&from)[4]) {
        int i = 0;
        while (i < 3 && in[from[i]] != out[to]) ++i;
        dx[from[i]] += dy[to];
      });
    }
  }

 private:
  // Calls visit(element of y, the four elements of x that it comes from).
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    const std::size_t across = shape_.channels, down = std::size_t{shape_.width} * shape_.channels;
    std::size_t to = 0;
    for (std::uint32_t line = 0; line + 1 < shape_.height; line += 2) {
      for (std::uint32_t column = 0; column + 1 < shape_.width; column += 2) {
        for (std::uint32_t c = 0; c < shape_.channels; ++c) {
          const std::size_t first = line * down + column * across + c;
          visit(to++, {first, first + across, first + down, first + down + across});
        }
      }
    }
  }

  const ImageShape shape_;
};

}  // namespace

template <typename T>
Activation<T>* ImageConvolution(Graph<T>* graph, const std::string& name, Activation<T>* x, const ImageShape& shape,
                                const ImageConvolutionOptions& options) {
  CHECK_EQ(x->cols, shape.pixels() * shape.channels);
  const std::uint32_t seen = kSide * kSide * shape.channels;
  const auto tensor = [&](const char* part, std::uint32_t rows, const proto::Optimizer& optimizer, double scale) {
    proto::TensorSpec spec;
    spec.set_name(name + "." + part);
    spec.set_rows(rows);
    spec.set_cols(options.filters);
    *spec.mutable_optimizer() = optimizer;
    spec.mutable_initializer()->set_kind(scale == 0 ? proto::Initializer::ZERO : proto::Initializer::UNIFORM);
    if (scale != 0) spec.mutable_initializer()->set_scale(scale);
    return graph->NewParameter(spec);
  };
  Parameter<T>* weight = tensor("weight", seen, options.weight_optimizer, 1 / std::sqrt(static_cast<double>(seen)));
  Parameter<T>* bias = tensor("bias", 1, options.bias_optimizer, 0);
  return graph->Add(std::make_unique<ImageConvolutionLayer<T>>(
      x, graph->NewActivation(name, shape.pixels() * options.filters), shape, weight, bias, options.nonlinearity));
}

template <typename T>
Activation<T>* MaxPool(Graph<T>* graph, const std::string& name, Activation<T>* x, const ImageShape& shape) {
  CHECK_EQ(x->cols, shape.pixels() * shape.channels);
  const std::uint32_t cols = shape.height / 2 * (shape.width / 2) * shape.channels;
  return graph->Add(std::make_unique<MaxPoolLayer<T>>(x, graph->NewActivation(name, cols), shape));
}

#define SHERD_OF_TYPE(T)                                                                                     \
  template Activation<T>* ImageConvolution(Graph<T>*, const std::string&, Activation<T>*, const ImageShape&, \
                                           const ImageConvolutionOptions&);                                  \
  template Activation<T>* MaxPool(Graph<T>*, const std::string&, Activation<T>*, const ImageShape&);
SHERD_OF_TYPE(float)
SHERD_OF_TYPE(double)
#undef SHERD_OF_TYPE

}  // namespace sherd::nn
