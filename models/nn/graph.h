#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/cpu_meter.h"
#include "models/batch.h"
#include "models/nn/kernels.h"
#include "proto/model_spec.pb.h"

namespace sherd::nn {

// What the rows of an activation stand for where they are not the batch's: the occurrences of one field of a table,
// those of the batch's row 0 first; the events of a history, the targets of a bag. Nothing is padded.
struct Domain {
  std::uint32_t table = 0, field = 0;
  std::uint32_t fields = 1;  // of the table

  // Of the batch at hand:
  std::uint32_t rows = 0;
  std::vector<std::uint32_t> begin;  // CSR, [batch rows + 1]: row r has [begin[r], begin[r + 1])
  std::vector<std::uint32_t> first;  // [batch rows]: the place of row r's first one among the table's occurrences

  // Which unique row of the table the k-th occurrence of batch row r is.
  template <typename T>
  std::uint32_t Unique(const Batch<T>& batch, std::uint32_t r, std::uint32_t k) const {
    return batch.tables[table].unique[first[r] + (k - begin[r])];
  }
};

// A matrix that layers hand on, [rows of the batch or of a domain, cols], with the gradient of the loss by it in the
// same shape. Memory belongs to the graph and is there once it is built. An activation may be a range of another one's
// columns: so concatenation copies nothing, its parts' producers write into it.
template <typename T>
struct Activation {
  std::string name;
  std::uint32_t cols = 0;
  bool needs_gradient = true;
  const Domain* domain = nullptr;  // null: the batch's rows
  Activation* whole = nullptr;     // set: these are columns [first, first + cols) of it
  std::uint32_t first = 0;

  T* data = nullptr;
  T* gradient = nullptr;
  std::size_t stride = 0;

  Matrix<T> values(std::uint32_t rows) const { return {data, stride, rows, cols}; }
  Matrix<T> gradients(std::uint32_t rows) const { return {gradient, stride, rows, cols}; }
};

// A tensor of the flat parameter array, [rows, cols], and its gradient at the same place of the gradient array.
template <typename T>
struct Parameter {
  int tensor = 0;  // index in ModelSpec.tensor
  std::uint32_t rows = 0, cols = 0;
  T* data = nullptr;
  T* gradient = nullptr;

  std::size_t size() const { return std::size_t{rows} * cols; }
};

// What layers compute on at one time. A layer sees the rows of its output.
template <typename T>
struct Step {
  const Batch<T>* batch;
  std::uint32_t rows;
  bool training;
  std::uint64_t seed;
  const Kernels<T>* kernels;
  CpuMeter* meter = nullptr;  // of the thread, if any
};

// How Backward passes a gradient on: the first writer assigns, later ones add, so nothing is cleared beforehand.
enum class Write { kNone, kAssign, kAdd };

// A layer computes its output from its inputs and, going back, the gradients of its inputs and parameters from that of
// its output, which it may destroy. It must assign the whole of each parameter's gradient, and obey write(i) for input
// i. Going back through a step that is not of training, parameters' gradients are not asked for.
template <typename T>
class Layer {
 public:
  using Inputs = std::vector<Activation<T>*>;

  Layer(Inputs inputs, Activation<T>* output) : inputs_(std::move(inputs)), output_(output) {}
  virtual ~Layer() = default;

  virtual void Forward(const Step<T>& step) = 0;
  virtual void Backward(const Step<T>& step) = 0;

 protected:
  const Activation<T>& input(int i = 0) const { return *inputs_[i]; }
  const Activation<T>& output() const { return *output_; }
  int input_count() const { return static_cast<int>(inputs_.size()); }
  Write write(int i = 0) const { return writes_[i]; }

 private:
  template <typename>
  friend class Graph;
  struct Columns {
    const Activation<T>* activation;
    std::uint32_t first, count;
  };

  const Inputs inputs_;
  Activation<T>* const output_;
  std::vector<Write> writes_;   // by input
  std::vector<Columns> clear_;  // gradients that nobody has written, and this layer adds to or reads
};

// A layer that computes the loss itself, where it is no function of the rows' outputs alone.
template <typename T>
class LossHead {
 public:
  virtual ~LossHead() = default;
  // After Forward: the sum of the rows' losses. The layer's Backward then begins from it, not from its output's
  // gradient, unless the step is not of training.
  virtual double Loss(const Step<T>& step) = 0;
};

// A network, declared layer by layer and then built once: parameters in one flat array laid out by DenseLayout,
// activations and their gradients in one arena. Nothing is allocated after Build. Confined to one thread.
template <typename T>
class Graph {
 public:
  Graph() = default;
  Graph(const Graph&) = delete;

  // ---- declaring: before Build. What these return stays the graph's.
  Activation<T>* NewActivation(const std::string& name, std::uint32_t cols);
  // The occurrences of a field as rows.
  const Domain* NewDomain(std::uint32_t table, std::uint32_t field, std::uint32_t fields);
  // Memory of a layer's own, without a gradient, for the rows of a domain, or of the batch.
  Activation<T>* NewScratch(std::uint32_t cols, const Domain* domain = nullptr);
  // In the flat array in the order of these calls. One layer owns a parameter.
  Parameter<T>* NewParameter(const proto::TensorSpec& tensor);
  Parameter<T>* parameter(int tensor) { return tensors_[tensor].get(); }
  // Layers run in the order they are added, each after those that make its inputs. Returns its output, which has the
  // rows of the first input, or of the batch …
  Activation<T>* Add(std::unique_ptr<Layer<T>> layer);
  // … or of a domain.
  Activation<T>* AddIn(const Domain* domain, std::unique_ptr<Layer<T>> layer);
  // Before all layers that are there: it has no input, its output is read by none, and its Backward comes last.
  void AddFirst(std::unique_ptr<Layer<T>> layer);
  // The inputs side by side, [rows, sum of their cols].
  Activation<T>* Concat(const std::string& name, const std::vector<Activation<T>*>& inputs);

  // The vectors of user and item whose dot product is the output, of one width.
  struct Factors {
    const Activation<T>*user = nullptr, *item = nullptr;
  };
  void SetFactors(const Activation<T>* user, const Activation<T>* item);
  const Factors& factors() const { return factors_; }  // null: the output is no dot product

  // The layer that makes the output; it is the graph's.
  void SetLossHead(LossHead<T>* head) { loss_head_ = head; }
  LossHead<T>* loss_head() const { return loss_head_; }  // null: the loss goes by the output

  // Tables are the model's to fill in; tensors come by NewParameter.
  proto::ModelSpec& spec() { return spec_; }
  const proto::ModelSpec& spec() const { return spec_; }
  // Bytes that Build takes for so many rows, of the batch and of each domain.
  std::uint64_t ArenaBytes(std::uint32_t max_rows) const;
  void Build(Activation<T>* output, std::uint32_t max_rows);

  // ---- running: after Build
  std::uint32_t max_rows() const { return max_rows_; }
  // Of the last Forward.
  std::uint32_t RowsOf(const Activation<T>& activation) const {
    return activation.domain == nullptr ? rows_ : activation.domain->rows;
  }
  std::span<T> parameters() { return parameters_.span(); }
  std::span<T> gradients() { return gradients_.span(); }
  // Takes memory only when a domain has more rows than ever.
  void Forward(const Step<T>& step);
  // After the gradient of the output was written. Fills gradients(), in training, and those of the batch's tables.
  void Backward(const Step<T>& step);
  // The name of the first layer whose output of the last Forward holds a NaN or Inf, with the mark "(its parameters)"
  // when they do; empty: none.
  std::string FindNonFinite() const;

 private:
  std::uint64_t ArenaFloats() const;
  std::uint32_t Capacity(const Activation<T>& activation) const;
  void CountRows(const Batch<T>& batch);
  void PlaceActivations();
  void PlaceParameters();
  void PlanGradients(const Activation<T>* output);
  void PlanLayer(Layer<T>* layer, std::vector<std::vector<bool>>* written) const;
  bool HasNonFiniteParameters(const std::string& layer) const;

  proto::ModelSpec spec_;
  std::vector<std::unique_ptr<Activation<T>>> activations_;
  std::vector<std::unique_ptr<Parameter<T>>> tensors_;
  std::vector<std::unique_ptr<Layer<T>>> layers_;
  struct CountedDomain {
    Domain domain;
    std::uint32_t capacity = 0;
  };
  std::vector<std::unique_ptr<CountedDomain>> domains_;
  Factors factors_;
  LossHead<T>* loss_head_ = nullptr;
  std::uint32_t max_rows_ = 0, rows_ = 0;
  AlignedBuffer<T> parameters_, gradients_, arena_;
};

extern template class Graph<float>;
extern template class Graph<double>;

}  // namespace sherd::nn
