#include "models/nn/graph.h"

#include <glog/logging.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/dense_layout.h"

namespace sherd::nn {
namespace {

constexpr std::size_t kLine = 16;  // elements that rows of wide matrices, and all matrices, begin at a multiple of

std::size_t RoundUp(std::size_t n) { return (n + kLine - 1) / kLine * kLine; }

std::size_t StrideOf(std::uint32_t cols) { return cols < kLine ? cols : RoundUp(cols); }

template <typename T>
bool AllFinite(const T* values, std::size_t n) {
  return std::all_of(values, values + n, [](T x) { return std::isfinite(x); });
}

// The activation that an activation's columns are part of in the end, and the first of them there.
template <typename T>
std::pair<const Activation<T>*, std::uint32_t> Root(const Activation<T>* activation) {
  std::uint32_t first = 0;
  for (; activation->whole != nullptr; activation = activation->whole) first += activation->first;
  return {activation, first};
}

// Concatenation of what is part of another concatenation already.
template <typename T>
class Copy : public Layer<T> {
 public:
  using Layer<T>::Layer;

  void Forward(const Step<T>& step) override {
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      std::copy_n(this->input().data + r * this->input().stride, this->input().cols,
                  this->output().data + r * this->output().stride);
    }
  }
  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T* dy = this->output().gradient + r * this->output().stride;
      T* dx = this->input().gradient + r * this->input().stride;
      for (std::uint32_t c = 0; c < this->input().cols; ++c)
        dx[c] = this->write() == Write::kAdd ? dx[c] + dy[c] : dy[c];
    }
  }
};

}  // namespace

// ---- declaring -----------------------------------------------------------------------------------------------------

template <typename T>
Activation<T>* Graph<T>::NewActivation(const std::string& name, std::uint32_t cols) {
  activations_.push_back(std::make_unique<Activation<T>>());
  activations_.back()->name = name;
  activations_.back()->cols = cols;
  return activations_.back().get();
}

template <typename T>
const Domain* Graph<T>::NewDomain(std::uint32_t table, std::uint32_t field, std::uint32_t fields) {
  CHECK_LT(field, fields);
  domains_.push_back(std::make_unique<CountedDomain>());
  domains_.back()->domain = {.table = table, .field = field, .fields = fields, .begin = {}, .first = {}};
  return &domains_.back()->domain;
}

template <typename T>
Activation<T>* Graph<T>::NewScratch(std::uint32_t cols, const Domain* domain) {
  Activation<T>* scratch = NewActivation("", cols);
  scratch->domain = domain;
  scratch->needs_gradient = false;
  return scratch;
}

template <typename T>
Parameter<T>* Graph<T>::NewParameter(const proto::TensorSpec& tensor) {
  tensors_.push_back(std::make_unique<Parameter<T>>());
  Parameter<T>* parameter = tensors_.back().get();
  parameter->tensor = spec_.tensor_size();
  parameter->rows = tensor.rows();
  parameter->cols = tensor.cols();
  *spec_.add_tensor() = tensor;
  return parameter;
}

template <typename T>
Activation<T>* Graph<T>::Add(std::unique_ptr<Layer<T>> layer) {
  const Domain* const domain = layer->inputs_.empty() ? nullptr : layer->inputs_[0]->domain;
  return AddIn(domain, std::move(layer));
}

template <typename T>
Activation<T>* Graph<T>::AddIn(const Domain* domain, std::unique_ptr<Layer<T>> layer) {
  layer->output_->domain = domain;
  layers_.push_back(std::move(layer));
  return layers_.back()->output_;
}

template <typename T>
void Graph<T>::AddFirst(std::unique_ptr<Layer<T>> layer) {
  CHECK(layer->inputs_.empty());
  layers_.insert(layers_.begin(), std::move(layer));
}

template <typename T>
Activation<T>* Graph<T>::Concat(const std::string& name, const std::vector<Activation<T>*>& inputs) {
  if (inputs.size() == 1) return inputs[0];
  Activation<T>* whole = NewActivation(name, 0);
  whole->needs_gradient = false;
  whole->domain = inputs[0]->domain;
  for (Activation<T>* input : inputs) {
    CHECK_EQ(input->domain, whole->domain) << "rows of different things side by side";
    Activation<T>* part = input;
    if (input->whole != nullptr) {
      part = NewActivation(name + ".copy", input->cols);
      part->needs_gradient = input->needs_gradient;
      Add(std::make_unique<Copy<T>>(std::vector<Activation<T>*>{input}, part));
    }
    part->whole = whole;
    part->first = whole->cols;
    whole->cols += input->cols;
    whole->needs_gradient |= input->needs_gradient;
  }
  return whole;
}

template <typename T>
void Graph<T>::SetFactors(const Activation<T>* user, const Activation<T>* item) {
  CHECK_EQ(user->cols, item->cols);
  factors_ = {user, item};
  spec_.set_factors(user->cols);
}

// ---- building ------------------------------------------------------------------------------------------------------

template <typename T>
std::uint64_t Graph<T>::ArenaBytes(std::uint32_t max_rows) const {
  std::uint64_t floats = 0;
  for (const auto& a : activations_) {
    if (a->whole == nullptr) floats += RoundUp(StrideOf(a->cols) * std::size_t{max_rows}) * (a->needs_gradient ? 2 : 1);
  }
  return floats * sizeof(T);
}

template <typename T>
std::uint32_t Graph<T>::Capacity(const Activation<T>& activation) const {
  for (const auto& counted : domains_) {
    if (&counted->domain == activation.domain) return counted->capacity;
  }
  return max_rows_;
}

template <typename T>
std::uint64_t Graph<T>::ArenaFloats() const {
  std::uint64_t floats = 0;
  for (const auto& a : activations_) {
    if (a->whole == nullptr)
      floats += RoundUp(StrideOf(a->cols) * std::size_t{Capacity(*a)}) * (a->needs_gradient ? 2 : 1);
  }
  return floats;
}

template <typename T>
void Graph<T>::Build(Activation<T>* output, std::uint32_t max_rows) {
  CHECK_EQ(max_rows_, 0u) << "built twice";
  CHECK_GT(max_rows, 0u);
  max_rows_ = max_rows;
  for (auto& counted : domains_) {
    counted->capacity = max_rows;
    counted->domain.begin.resize(std::size_t{max_rows} + 1);
    counted->domain.first.resize(max_rows);
  }
  PlaceActivations();
  PlaceParameters();
  PlanGradients(output);
}

template <typename T>
void Graph<T>::PlaceActivations() {
  arena_.Resize(ArenaFloats());
  std::fill(arena_.begin(), arena_.end(), T{0});
  T* next = arena_.data();
  for (auto& a : activations_) {
    if (a->whole != nullptr) continue;
    a->stride = StrideOf(a->cols);
    const std::size_t size = RoundUp(a->stride * Capacity(*a));
    a->data = std::exchange(next, next + size);
    if (a->needs_gradient) a->gradient = std::exchange(next, next + size);
  }
  for (auto& a : activations_) {
    if (a->whole == nullptr) continue;
    const auto [root, first] = Root<T>(a.get());
    a->stride = root->stride;
    a->data = root->data + first;
    if (root->gradient != nullptr) a->gradient = root->gradient + first;
  }
}

template <typename T>
void Graph<T>::PlaceParameters() {
  const DenseLayout layout(spec_);
  parameters_.Resize(layout.size());
  gradients_.Resize(layout.size());
  std::fill(parameters_.begin(), parameters_.end(), T{0});
  std::fill(gradients_.begin(), gradients_.end(), T{0});
  for (auto& tensor : tensors_) {
    tensor->data = parameters_.data() + layout.tensor_offset(tensor->tensor);
    tensor->gradient = gradients_.data() + layout.tensor_offset(tensor->tensor);
  }
}

// Walks the layers as Backward will and finds, for each gradient, who writes which of its columns first.
template <typename T>
void Graph<T>::PlanGradients(const Activation<T>* output) {
  std::vector<std::vector<bool>> written(activations_.size());
  for (std::size_t i = 0; i < activations_.size(); ++i)
    written[i].assign(activations_[i]->cols, activations_[i].get() == output);
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) PlanLayer(layer->get(), &written);
}

template <typename T>
void Graph<T>::PlanLayer(Layer<T>* layer, std::vector<std::vector<bool>>* written) const {
  const auto columns_of = [&](const Activation<T>* activation) -> std::vector<bool>& {
    const auto found =
        std::find_if(activations_.begin(), activations_.end(), [&](auto& a) { return a.get() == activation; });
    return (*written)[found - activations_.begin()];
  };
  const auto clear_unwritten = [&](const Activation<T>* activation) {
    const auto [root, first] = Root<T>(activation);
    std::vector<bool>& columns = columns_of(root);
    for (std::uint32_t c = first; c < first + activation->cols; ++c) {
      if (columns[c]) continue;
      const auto end = std::find(columns.begin() + c, columns.begin() + first + activation->cols, true);
      layer->clear_.push_back({root, c, static_cast<std::uint32_t>(end - columns.begin()) - c});
      std::fill(columns.begin() + c, end, true);
    }
  };
  if (layer->output_->needs_gradient) clear_unwritten(layer->output_);
  for (const Activation<T>* input : layer->inputs_) {
    if (!input->needs_gradient) {
      layer->writes_.push_back(Write::kNone);
      continue;
    }
    const auto [root, first] = Root(input);
    std::vector<bool>& columns = columns_of(root);
    const auto begin = columns.begin() + first, end = begin + input->cols;
    if (std::find(begin, end, true) == end) {
      layer->writes_.push_back(Write::kAssign);
      std::fill(begin, end, true);
    } else {
      layer->writes_.push_back(Write::kAdd);
      clear_unwritten(input);
    }
  }
}

// ---- running -------------------------------------------------------------------------------------------------------

template <typename T>
void Graph<T>::CountRows(const Batch<T>& batch) {
  bool grown = false;
  for (auto& counted : domains_) {
    Domain& domain = counted->domain;
    const TableBatch<T>& table = batch.tables[domain.table];
    std::uint32_t rows = 0;
    for (std::uint32_t r = 0; r < rows_; ++r) {
      const std::size_t cell = std::size_t{r} * domain.fields + domain.field;
      domain.begin[r] = rows;
      domain.first[r] = table.offset.empty() ? static_cast<std::uint32_t>(cell) : table.offset[cell];
      rows += table.offset.empty() ? 1 : table.offset[cell + 1] - table.offset[cell];
    }
    domain.begin[rows_] = domain.rows = rows;
    if (rows <= counted->capacity) continue;
    counted->capacity = std::max(rows, counted->capacity + counted->capacity / 2);
    grown = true;
  }
  if (grown) PlaceActivations();
}

template <typename T>
void Graph<T>::Forward(const Step<T>& step) {
  CHECK_LE(step.rows, max_rows_);
  rows_ = step.rows;
  if (!domains_.empty()) CountRows(*step.batch);
  Step<T> of_layer = step;
  for (auto& layer : layers_) {
    of_layer.rows = RowsOf(*layer->output_);
    layer->Forward(of_layer);
  }
}

template <typename T>
void Graph<T>::Backward(const Step<T>& step) {
  Step<T> of_layer = step;
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
    for (const auto& [activation, first, count] : (*layer)->clear_) {
      const std::uint32_t rows = RowsOf(*activation);
      for (std::uint32_t r = 0; r < rows; ++r) {
        std::fill_n(activation->gradient + r * activation->stride + first, count, T{0});
      }
    }
    of_layer.rows = RowsOf(*(*layer)->output_);
    (*layer)->Backward(of_layer);
  }
}

template <typename T>
std::string Graph<T>::FindNonFinite() const {
  for (const auto& layer : layers_) {
    const Activation<T>& output = *layer->output_;
    const std::uint32_t rows = RowsOf(output);
    for (std::uint32_t r = 0; r < rows; ++r) {
      if (AllFinite(output.data + r * output.stride, output.cols)) continue;
      return output.name + (HasNonFiniteParameters(output.name) ? " (its parameters)" : "");
    }
  }
  return "";
}

template <typename T>
bool Graph<T>::HasNonFiniteParameters(const std::string& layer) const {
  return std::any_of(tensors_.begin(), tensors_.end(), [&](const auto& tensor) {
    return spec_.tensor(tensor->tensor).name().starts_with(layer + ".") && !AllFinite(tensor->data, tensor->size());
  });
}

template class Graph<float>;
template class Graph<double>;

}  // namespace sherd::nn
