#include "models/nn/slow_copy.h"

#include <glog/logging.h>

#include <vector>

namespace sherd::nn {
namespace {

// A copy's part of a table's row, and its original's.
struct CopiedSegment {
  int table;
  std::uint32_t copy, original, dim;
};

template <typename T>
struct CopiedTensor {
  Parameter<T>*copy, *original;
};

template <typename T>
class SlowCopyLayer : public Layer<T> {
 public:
  SlowCopyLayer(Activation<T>* nothing, std::vector<CopiedSegment> segments, std::vector<CopiedTensor<T>> tensors)
      : Layer<T>({}, nothing), segments_(std::move(segments)), tensors_(std::move(tensors)) {}

  void Forward(const Step<T>&) override {}

  void Backward(const Step<T>& step) override {
    const T rows = static_cast<T>(step.batch->rows);
    for (const auto& [t, copy, original, dim] : segments_) {
      const TableBatch<T>& table = step.batch->tables[t];
      for (std::size_t u = 0; u < table.gradients.size(); ++u) {
        Write(rows, table.values[u] + copy, table.values[u] + original, dim, table.gradients[u] + copy);
      }
    }
    for (const auto& [copy, original] : tensors_) {
      Write(rows, copy->data, original->data, copy->size(), copy->gradient);
    }
  }

 private:
  static void Write(T rows, const T* copy, const T* original, std::size_t n, T* gradient) {
    for (std::size_t i = 0; i < n; ++i) gradient[i] = rows * (copy[i] - original[i]);
  }

  const std::vector<CopiedSegment> segments_;
  const std::vector<CopiedTensor<T>> tensors_;
};

// The names of a spec's segments or tensors that are copies, each with where it and its original stand.
struct Copied {
  int copy, original;
};
template <typename Specs>
std::vector<Copied> FindCopies(const Specs& specs, const std::string& prefix) {
  std::vector<Copied> found;
  for (int copy = 0; copy < specs.size(); ++copy) {
    if (!specs[copy].name().starts_with(prefix)) continue;
    int original = 0;
    while (original < specs.size() && prefix + specs[original].name() != specs[copy].name()) ++original;
    CHECK_LT(original, specs.size()) << specs[copy].name() << " is a copy of nothing";
    found.push_back({copy, original});
  }
  return found;
}

std::uint32_t FirstOf(const proto::TableSpec& table, int segment) {
  std::uint32_t first = 0;
  for (int i = 0; i < segment; ++i) first += table.segment(i).dim();
  return first;
}

}  // namespace

template <typename T>
void SlowCopy(Graph<T>* graph, const std::string& prefix, double rate) {
  proto::Optimizer follow;
  follow.mutable_sgd()->set_learning_rate(rate);
  std::vector<CopiedSegment> segments;
  for (int t = 0; t < graph->spec().table_size(); ++t) {
    proto::TableSpec* const table = graph->spec().mutable_table(t);
    for (const auto& [copy, original] : FindCopies(table->segment(), prefix)) {
      CHECK_EQ(table->segment(copy).dim(), table->segment(original).dim());
      segments.push_back({t, FirstOf(*table, copy), FirstOf(*table, original), table->segment(copy).dim()});
      *table->mutable_segment(copy)->mutable_optimizer() = follow;
    }
  }
  std::vector<CopiedTensor<T>> tensors;
  for (const auto& [copy, original] : FindCopies(graph->spec().tensor(), prefix)) {
    tensors.push_back({graph->parameter(copy), graph->parameter(original)});
    CHECK_EQ(tensors.back().copy->size(), tensors.back().original->size());
    *graph->spec().mutable_tensor(copy)->mutable_optimizer() = follow;
  }
  graph->AddFirst(std::make_unique<SlowCopyLayer<T>>(graph->NewScratch(0), std::move(segments), std::move(tensors)));
}

template void SlowCopy(Graph<float>*, const std::string&, double);
template void SlowCopy(Graph<double>*, const std::string&, double);

}  // namespace sherd::nn
