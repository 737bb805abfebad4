#include "models/nn/dropout.h"

#include <glog/logging.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/hash.h"

namespace sherd::nn {
namespace {

// With a mask of one column, that is the whole row's.
template <typename T>
class DropoutLayer : public Layer<T> {
 public:
  DropoutLayer(Activation<T>* x, Activation<T>* y, Activation<T>* mask, std::uint64_t layer, std::uint32_t drop)
      : Layer<T>({x}, y), mask_(mask), layer_(layer), drop_(drop) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    if (step.training) FillMask(step);
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T *in = x.data + r * x.stride, *mask = mask_->data + r * mask_->stride;
      T* out = y.data + r * y.stride;
      if (!step.training) {
        std::copy_n(in, x.cols, out);
      } else if (mask_->cols == 1) {
        for (std::uint32_t c = 0; c < x.cols; ++c) out[c] = in[c] * mask[0];
      } else {
        for (std::uint32_t c = 0; c < x.cols; ++c) out[c] = in[c] * mask[c];
      }
    }
  }

  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T *dy = y.gradient + r * y.stride, *mask = mask_->data + r * mask_->stride;
      T* dx = x.gradient + r * x.stride;
      for (std::uint32_t c = 0; c < x.cols; ++c) {
        const T g = step.training ? dy[c] * mask[mask_->cols == 1 ? 0 : c] : dy[c];
        dx[c] = this->write() == Write::kAdd ? dx[c] + g : g;
      }
    }
  }

 private:
  void FillMask(const Step<T>& step) {
    CHECK_EQ(step.batch->row_ids.size(), step.batch->rows) << "dropout needs the rows' ids";
    std::array<std::uint64_t, 256> row_hash;
    std::uint32_t of_row = 0;
    for (std::uint32_t first = 0; first < step.rows; first += row_hash.size()) {
      const std::uint32_t rows = std::min<std::uint32_t>(row_hash.size(), step.rows - first);
      for (std::uint32_t r = 0; r < rows; ++r) row_hash[r] = RowHash(step, first + r, &of_row);
      Matrix<T> mask = mask_->values(rows);
      mask.data += first * mask.stride;
      step.kernels->dropout_mask(row_hash.data(), drop_, mask);
    }
  }

  // `of_row`: the batch row that the one before belongs to.
  std::uint64_t RowHash(const Step<T>& step, std::uint32_t row, std::uint32_t* of_row) const {
    const Batch<T>& batch = *step.batch;
    const Domain* const domain = this->output().domain;
    if (domain == nullptr) return Mix(step.seed, batch.epoch, batch.row_ids[row], layer_);
    while (row >= domain->begin[*of_row + 1]) ++*of_row;
    return Mix(Mix(step.seed, batch.epoch, batch.row_ids[*of_row], layer_), row - domain->begin[*of_row]);
  }

  Activation<T>* const mask_;  // [rows, cols] or [rows, 1]: 0 or the scale
  const std::uint64_t layer_;  // hash of the name
  const std::uint32_t drop_;   // probability * 65536
};

template <typename T>
Activation<T>* DropBy(Graph<T>* graph, const std::string& name, Activation<T>* x, double probability,
                      std::uint32_t mask_cols) {
  const auto drop = static_cast<std::uint32_t>(std::lround(std::min(probability * 65536, 65535.0)));
  if (drop == 0) return x;
  Activation<T>* y = graph->NewActivation(name, x->cols);
  return graph->Add(
      std::make_unique<DropoutLayer<T>>(x, y, graph->NewScratch(mask_cols, x->domain), HashBytes(name), drop));
}

}  // namespace

template <typename T>
Activation<T>* Dropout(Graph<T>* graph, const std::string& name, Activation<T>* x, double probability) {
  return DropBy(graph, name, x, probability, x->cols);
}

template <typename T>
Activation<T>* DropEvents(Graph<T>* graph, const std::string& name, Activation<T>* x, double probability) {
  CHECK(x->domain != nullptr);
  return DropBy(graph, name, x, probability, 1);
}

template Activation<float>* Dropout(Graph<float>*, const std::string&, Activation<float>*, double);
template Activation<double>* Dropout(Graph<double>*, const std::string&, Activation<double>*, double);
template Activation<float>* DropEvents(Graph<float>*, const std::string&, Activation<float>*, double);
template Activation<double>* DropEvents(Graph<double>*, const std::string&, Activation<double>*, double);

}  // namespace sherd::nn
