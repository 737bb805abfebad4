#include "models/nn/self_attention.h"

#include <glog/logging.h>

#include <algorithm>
#include <cmath>

#include "base/aligned_buffer.h"
#include "models/nn/gemm.h"

namespace sherd::nn {
namespace {

template <typename T>
class CausalSelfAttentionLayer : public Layer<T> {
 public:
  CausalSelfAttentionLayer(Activation<T>* x, Activation<T>* y, std::uint32_t heads)
      : Layer<T>({x}, y),
        width_(y->cols / heads),
        scale_(static_cast<T>(1 / std::sqrt(static_cast<double>(y->cols / heads)))) {}

  void Forward(const Step<T>& step) override {
    Reserve(step);
    const auto& y = this->output();
    ForEach(step, [&](const Head& h) {
      Weights(step, h);
      Gemm(Transpose::kNo, Transpose::kNo, h.events, width_, h.events, weights_.data(), h.events, h.v, h.stride,
           Accumulate::kNo, y.data + h.first * y.stride + h.column, y.stride);
    });
  }

  // With P the weights: dV = P^T dy; dP = dy V^T; of the scores, dS = P * (dP - the sum of P dP over the row); dQ = dS
  // K, dK = dS^T Q, each scaled.
  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const auto &x = this->input(), &y = this->output();
    const Accumulate accumulate = this->write() == Write::kAdd ? Accumulate::kYes : Accumulate::kNo;
    ForEach(step, [&](const Head& h) {
      Weights(step, h);
      const std::size_t n = h.events;
      const T* dy = y.gradient + h.first * y.stride + h.column;
      T *dq = x.gradient + h.first * x.stride + h.column, *dk = dq + y.cols, *dv = dk + y.cols;
      Gemm(Transpose::kYes, Transpose::kNo, n, width_, n, weights_.data(), n, dy, y.stride, accumulate, dv, x.stride);
      Gemm(Transpose::kNo, Transpose::kYes, n, n, width_, dy, y.stride, h.v, h.stride, Accumulate::kNo,
           weight_gradients_.data(), n);
      ThroughSoftmax(n);
      Gemm(Transpose::kNo, Transpose::kNo, n, width_, n, weight_gradients_.data(), n, h.k, h.stride, accumulate, dq,
           x.stride);
      Gemm(Transpose::kYes, Transpose::kNo, n, width_, n, weight_gradients_.data(), n, h.q, h.stride, accumulate, dk,
           x.stride);
    });
  }

 private:
  // One head's part of one row's events.
  struct Head {
    std::uint32_t first, events, column;
    const T *q, *k, *v;  // [events, width]
    std::size_t stride;
  };

  template <typename Visit>
  void ForEach(const Step<T>& step, const Visit& visit) const {
    const auto& x = this->input();
    const std::uint32_t cols = this->output().cols;
    for (std::uint32_t r = 0; r < step.batch->rows; ++r) {
      const std::uint32_t first = x.domain->begin[r], events = x.domain->begin[r + 1] - first;
      if (events == 0) continue;
      for (std::uint32_t column = 0; column < cols; column += width_) {
        const T* q = x.data + first * x.stride + column;
        visit(Head{first, events, column, q, q + cols, q + 2 * cols, x.stride});
      }
    }
  }

  void Reserve(const Step<T>& step) {
    std::size_t longest = 0;
    const Domain& domain = *this->input().domain;
    for (std::uint32_t r = 0; r < step.batch->rows; ++r) {
      longest = std::max<std::size_t>(longest, domain.begin[r + 1] - domain.begin[r]);
    }
    weights_.Resize(longest * longest);
    weight_gradients_.Resize(longest * longest);
  }

  // weights_ [events, events]: event i's over all events, none beyond itself.
  void Weights(const Step<T>& step, const Head& h) {
    const std::uint32_t n = h.events;
    Gemm(Transpose::kNo, Transpose::kYes, n, n, width_, h.q, h.stride, h.k, h.stride, Accumulate::kNo, weights_.data(),
         n);
    for (std::uint32_t i = 0; i < n; ++i) {
      T *row = weights_.data() + std::size_t{i} * n, log_sum;
      for (std::uint32_t j = 0; j <= i; ++j) row[j] *= scale_;
      step.kernels->softmax({row, n, 1, i + 1}, &log_sum);
      std::fill(row + i + 1, row + n, T{0});
    }
  }

  void ThroughSoftmax(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      const T* p = weights_.data() + i * n;
      T* dp = weight_gradients_.data() + i * n;
      T sum = 0;
      for (std::size_t j = 0; j <= i; ++j) sum += p[j] * dp[j];
      for (std::size_t j = 0; j < n; ++j) dp[j] = j <= i ? scale_ * p[j] * (dp[j] - sum) : T{0};
    }
  }

  const std::uint32_t width_;  // of a head
  const T scale_;
  AlignedBuffer<T> weights_, weight_gradients_;  // [events of the longest row, the same]
};

}  // namespace

template <typename T>
Activation<T>* CausalSelfAttention(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t heads) {
  CHECK(x->domain != nullptr);
  CHECK_EQ(x->cols % (3 * heads), 0u);
  return graph->Add(std::make_unique<CausalSelfAttentionLayer<T>>(x, graph->NewActivation(name, x->cols / 3), heads));
}

template Activation<float>* CausalSelfAttention(Graph<float>*, const std::string&, Activation<float>*, std::uint32_t);
template Activation<double>* CausalSelfAttention(Graph<double>*, const std::string&, Activation<double>*,
                                                 std::uint32_t);

}  // namespace sherd::nn
