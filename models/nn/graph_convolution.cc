#include "models/nn/graph_convolution.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "base/aligned_buffer.h"
#include "models/nn/neighbour_kernels.h"

namespace sherd::nn {
namespace {

// Vectors of the nodes of a side, of which a layer reads one set and writes the other.
template <typename T>
struct SideVectors {
  AlignedBuffer<T> now, next;
  AlignedBuffer<T> sum;  // of the rows' own nodes, over the layers: of vectors, and then of gradients

  void Resize(std::size_t nodes, std::size_t own_nodes, std::size_t dim) {
    now.Resize(nodes * dim);
    next.Resize(nodes * dim);
    sum.Resize(own_nodes * dim);
  }
};

// Computes both sides at once, since each is made of the other; its output is the user's, and the items' is the layer's
// below, which comes after it going forward, and before it going back.
template <typename T>
class GraphConvolutionLayer : public Layer<T> {
 public:
  GraphConvolutionLayer(Activation<T>* user, Activation<T>* item, Segment user_segment, Segment item_segment,
                        std::uint32_t layers)
      : Layer<T>({}, user),
        item_(item),
        user_segment_(user_segment),
        item_segment_(item_segment),
        layers_(layers),
        dim_(user_segment.dim) {}

  void Forward(const Step<T>& step) override {
    const Neighbourhood& graph = Check(step);
    Begin(step, graph.user, user_segment_, &users_);
    Begin(step, graph.item, item_segment_, &items_);
    for (std::uint32_t k = 1; k <= layers_; ++k) {
      Scale(graph.user, graph.user.within[layers_ - k + 1], users_.now.data());
      Scale(graph.item, graph.item.within[layers_ - k + 1], items_.now.data());
      Gather(graph.user, layers_ - k, items_, &users_);
      Gather(graph.item, layers_ - k, users_, &items_);
      for (SideVectors<T>* side : {&users_, &items_}) {
        std::swap(side->now, side->next);
        for (std::size_t i = 0; i < side->sum.size(); ++i) side->sum[i] += side->now[i];
      }
    }
    Write(step, graph.user, users_, this->output());
  }

  // For the layer below.
  void WriteItems(const Step<T>& step) const { Write(step, step.batch->neighbourhood->item, items_, *item_); }

  void Backward(const Step<T>& step) override {
    const Neighbourhood& graph = *step.batch->neighbourhood;
    SumRows(step, graph.user, this->output(), &users_);
    SumRows(step, graph.item, *item_, &items_);
    for (std::uint32_t k = layers_; k > 0; --k) {
      ScaleBySize(graph.user, graph.user.within[layers_ - k], users_.now.data());
      ScaleBySize(graph.item, graph.item.within[layers_ - k], items_.now.data());
      Scatter(graph.item, layers_ - k, items_, graph.user, &users_);
      Scatter(graph.user, layers_ - k, users_, graph.item, &items_);
      for (SideVectors<T>* side : {&users_, &items_}) {
        std::swap(side->now, side->next);
        for (std::size_t i = 0; i < side->sum.size(); ++i) side->now[i] += side->sum[i];
      }
    }
    PassOn(step, graph.user, user_segment_, users_);
    PassOn(step, graph.item, item_segment_, items_);
  }

 private:
  const Neighbourhood& Check(const Step<T>& step) const {
    CHECK(step.batch->neighbourhood != nullptr);
    const Neighbourhood& graph = *step.batch->neighbourhood;
    for (const Neighbourhood::Side* side : {&graph.user, &graph.item}) {
      CHECK_EQ(side->within.size(), layers_ + 1u) << "a neighbourhood for another number of layers";
      CHECK_EQ(side->row.size(), step.rows);
    }
    return graph;
  }

  Matrix<T> First(std::uint32_t nodes, T* data) const { return {data, dim_, nodes, dim_}; }

  // The embeddings of all nodes.
  void Begin(const Step<T>& step, const Neighbourhood::Side& side, Segment segment, SideVectors<T>* vectors) const {
    const TableBatch<T>& table = step.batch->tables[segment.table];
    CHECK_EQ(table.unique.size(), side.nodes());
    vectors->Resize(side.nodes(), side.within[0], dim_);
    for (std::size_t n = 0; n < side.nodes(); ++n) {
      std::copy_n(table.values[table.unique[n]] + segment.first, dim_, vectors->now.data() + n * dim_);
    }
    std::copy_n(vectors->now.data(), vectors->sum.size(), vectors->sum.data());
  }

  // x_n / sqrt(d_n).
  void Scale(const Neighbourhood::Side& side, std::uint32_t nodes, T* x) const {
    for (std::size_t n = 0; n < nodes; ++n) {
      const T scale = static_cast<T>(side.scale[n]);
      for (std::uint32_t c = 0; c < dim_; ++c) x[n * dim_ + c] *= scale;
    }
  }
  // The same, where some neighbours stand for all.
  void ScaleBySize(const Neighbourhood::Side& side, std::uint32_t nodes, T* x) const {
    for (std::size_t n = 0; n < nodes; ++n) {
      const T scale = static_cast<T>(side.scale[n]) * static_cast<T>(side.share[n]);
      for (std::uint32_t c = 0; c < dim_; ++c) x[n * dim_ + c] *= scale;
    }
  }

  // Each row's vector.
  void Write(const Step<T>& step, const Neighbourhood::Side& side, const SideVectors<T>& vectors,
             const Activation<T>& y) const {
    const T share = T{1} / static_cast<T>(layers_ + 1);
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const T* const sum = vectors.sum.data() + std::size_t{side.row[r]} * dim_;
      for (std::uint32_t c = 0; c < dim_; ++c) y.data[r * y.stride + c] = share * sum[c];
    }
  }

  // The side's next vectors, of the nodes at most `hops` edges away.
  void Gather(const Neighbourhood::Side& side, std::uint32_t hops, SideVectors<T>& from, SideVectors<T>* to) const {
    const std::uint32_t nodes = side.within[hops];
    kernels().gather(side.begin.data(), side.neighbour.data(), First(0, from.now.data()),
                     First(nodes, to->next.data()));
    ScaleBySize(side, nodes, to->next.data());
  }

  // Gradients of the nodes at most `hops` edges away pass to their neighbours on the other side, which are at most one
  // edge further.
  void Scatter(const Neighbourhood::Side& side, std::uint32_t hops, SideVectors<T>& from,
               const Neighbourhood::Side& other, SideVectors<T>* to) const {
    const std::uint32_t nodes = other.within[hops + 1];
    std::fill_n(to->next.data(), std::size_t{nodes} * dim_, T{0});
    kernels().scatter(side.begin.data(), side.neighbour.data(), First(side.within[hops], from.now.data()),
                      First(nodes, to->next.data()));
    Scale(other, nodes, to->next.data());
  }

  // The gradient of the last layer's vectors, which is that of the mean as well: what the rows have of each node.
  void SumRows(const Step<T>& step, const Neighbourhood::Side& side, const Activation<T>& y,
               SideVectors<T>* vectors) const {
    const T share = T{1} / static_cast<T>(layers_ + 1);
    std::fill(vectors->sum.begin(), vectors->sum.end(), T{0});
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      T* const sum = vectors->sum.data() + std::size_t{side.row[r]} * dim_;
      for (std::uint32_t c = 0; c < dim_; ++c) sum[c] += share * y.gradient[r * y.stride + c];
    }
    std::copy_n(vectors->sum.data(), vectors->sum.size(), vectors->now.data());
  }

  // To the table's rows. Two nodes may share one, should their keys be the same.
  void PassOn(const Step<T>& step, const Neighbourhood::Side& side, Segment segment,
              const SideVectors<T>& vectors) const {
    const TableBatch<T>& table = step.batch->tables[segment.table];
    for (T* row : table.gradients) std::fill_n(row + segment.first, dim_, T{0});
    for (std::size_t n = 0; n < side.nodes(); ++n) {
      T* const row = table.gradients[table.unique[n]] + segment.first;
      for (std::uint32_t c = 0; c < dim_; ++c) row[c] += vectors.now[n * dim_ + c];
    }
  }

  static const NeighbourKernels<T>& kernels() { return NeighbourKernels<T>::Best(); }

  Activation<T>* const item_;
  const Segment user_segment_, item_segment_;
  const std::uint32_t layers_, dim_;
  SideVectors<T> users_, items_;
};

// The items' vectors of a convolution.
template <typename T>
class ConvolvedItemsLayer : public Layer<T> {
 public:
  ConvolvedItemsLayer(Activation<T>* item, const GraphConvolutionLayer<T>* convolution)
      : Layer<T>({}, item), convolution_(convolution) {}

  void Forward(const Step<T>& step) override { convolution_->WriteItems(step); }
  void Backward(const Step<T>&) override {}  // the convolution reads the gradient

 private:
  const GraphConvolutionLayer<T>* const convolution_;
};

}  // namespace

template <typename T>
UserAndItem<T> GraphConvolution(Graph<T>* graph, const std::string& name, Segment user, Segment item,
                                std::uint32_t layers) {
  CHECK_EQ(user.dim, item.dim);
  CHECK_NE(user.table, item.table);
  const UserAndItem<T> y = {graph->NewActivation(name + ".user", user.dim),
                            graph->NewActivation(name + ".item", item.dim)};
  auto convolution = std::make_unique<GraphConvolutionLayer<T>>(y.user, y.item, user, item, layers);
  auto items = std::make_unique<ConvolvedItemsLayer<T>>(y.item, convolution.get());
  graph->Add(std::move(convolution));
  graph->Add(std::move(items));
  return y;
}

template UserAndItem<float> GraphConvolution(Graph<float>*, const std::string&, Segment, Segment, std::uint32_t);
template UserAndItem<double> GraphConvolution(Graph<double>*, const std::string&, Segment, Segment, std::uint32_t);

}  // namespace sherd::nn
