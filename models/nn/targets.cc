#include "models/nn/targets.h"

#include <glog/logging.h>

#include <algorithm>

namespace sherd::nn {
namespace {

template <typename T>
class TargetScoresLayer : public Layer<T> {
 public:
  TargetScoresLayer(Activation<T>* x, Activation<T>* y, const Domain* targets, Segment w, Segment b)
      : Layer<T>({x}, y), targets_(targets), w_(w), b_(b) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    const TableBatch<T>& table = step.batch->tables[targets_->table];
    for (std::uint32_t r = 0; r < step.batch->rows; ++r) {
      for (std::uint32_t k = targets_->begin[r]; k < targets_->begin[r + 1]; ++k) {
        const T* row = table.values[targets_->Unique(*step.batch, r, k)];
        y.data[k * y.stride] = Dot(x.data + r * x.stride, row + w_.first) + row[b_.first];
      }
    }
  }

  // By w_k: dy_k x_r. By b_k: dy_k. By x_r: the sum over its targets of dy_k w_k.
  void Backward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    const TableBatch<T>& table = step.batch->tables[targets_->table];
    for (T* row : table.gradients) {
      std::fill_n(row + w_.first, w_.dim, T{0});
      row[b_.first] = 0;
    }
    for (std::uint32_t r = 0; r < step.batch->rows; ++r) {
      T* dx = this->write() == Write::kNone ? nullptr : x.gradient + r * x.stride;
      if (this->write() == Write::kAssign) std::fill_n(dx, x.cols, T{0});
      for (std::uint32_t k = targets_->begin[r]; k < targets_->begin[r + 1]; ++k) {
        const std::uint32_t unique = targets_->Unique(*step.batch, r, k);
        const T dy = y.gradient[k * y.stride];
        T* gradient = table.gradients[unique];
        AddScaled(dy, x.data + r * x.stride, gradient + w_.first);
        gradient[b_.first] += dy;
        if (dx != nullptr) AddScaled(dy, table.values[unique] + w_.first, dx);
      }
    }
  }

 private:
  static constexpr std::uint32_t kLanes = 16;  // sums that run side by side, so that they vectorize

  T Dot(const T* __restrict a, const T* __restrict b) const {
    T lanes[kLanes] = {};
    for (std::uint32_t first = 0; first < w_.dim; first += kLanes) {
      const std::uint32_t count = std::min(kLanes, w_.dim - first);
      for (std::uint32_t i = 0; i < count; ++i) lanes[i] += a[first + i] * b[first + i];
    }
    T sum = 0;
    for (const T lane : lanes) sum += lane;
    return sum;
  }
  void AddScaled(T factor, const T* __restrict from, T* __restrict to) const {
    for (std::uint32_t i = 0; i < w_.dim; ++i) to[i] += factor * from[i];
  }

  const Domain* const targets_;
  const Segment w_, b_;
};

}  // namespace

template <typename T>
Activation<T>* TargetScores(Graph<T>* graph, const std::string& name, Activation<T>* x, const Domain* targets,
                            Segment w, Segment b) {
  CHECK_EQ(x->cols, w.dim);
  CHECK_EQ(b.dim, 1u);
  CHECK_EQ(w.table, targets->table);
  CHECK_EQ(b.table, targets->table);
  return graph->AddIn(targets, std::make_unique<TargetScoresLayer<T>>(x, graph->NewActivation(name, 1), targets, w, b));
}

template Activation<float>* TargetScores(Graph<float>*, const std::string&, Activation<float>*, const Domain*, Segment,
                                         Segment);
template Activation<double>* TargetScores(Graph<double>*, const std::string&, Activation<double>*, const Domain*,
                                          Segment, Segment);

}  // namespace sherd::nn
