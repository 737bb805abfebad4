#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "base/dense_layout.h"
#include "models/nn/elementwise.h"
#include "tests/models/reference/layers.h"
#include "tests/models/testing_graph.h"

// A layer on its own, over rows that are events: its gradients against differences, and all it computes against numbers
// from PyTorch.
namespace sherd::nn {

// Those of the reference, too: a row without events, and one that is not the longest before the longest.
inline const std::vector<std::uint32_t> kLengths = {3, 0, 5, 1};

template <typename T>
using Build = std::function<Activation<T>*(Graph<T>*, Activation<T>*)>;

// A layer over a leaf "x" of the events.
template <typename T>
struct LayerUnderTest {
  LayerUnderTest(std::uint32_t cols, const Build<T>& build) {
    x = Leaf(&graph, "x", lengths.events(), cols, graph.NewDomain(0, 0, 1));
    y = build(&graph, x);
  }

  const EventLengths lengths{kLengths};
  Graph<T> graph;
  Activation<T>*x, *y;
};

inline void ExpectGradients(std::uint32_t cols, const Build<double>& build) {
  LayerUnderTest<double> layer(cols, build);
  GraphCheck check(&layer.graph, layer.y, layer.lengths.rows());
  check.batch().tables = {layer.lengths.table<double>()};
  const std::vector<std::uint64_t> ids = {7, 8, 9, 10};
  check.batch().row_ids = ids;
  check.Check();
}

using Graphd = Graph<double>;
using Activationd = Activation<double>;

inline void ExpectGradientsAlsoWhereItIsNotTheOnlyOne(std::uint32_t cols, const Build<double>& build) {
  ExpectGradients(cols, build);
  for (const bool first : {false, true}) {
    ExpectGradients(cols, [&](Graphd* graph, Activationd* x) {
      Activationd* other = first ? Product(graph, "square", x, x) : nullptr;
      Activationd* y = build(graph, x);
      if (!first) other = Product(graph, "square", x, x);
      return graph->Concat("both", {y, other});
    });
  }
}

// In double and, less exactly, in float.
template <typename T>
void ExpectParity(const reference::LayerCase& expected, std::uint32_t cols, const Build<T>& build) {
  constexpr double kTolerance = sizeof(T) == 8 ? 1e-12 : 1e-5;
  LayerUnderTest<T> layer(cols, build);
  layer.graph.Build(layer.y, layer.lengths.rows());
  const DenseLayout layout(layer.graph.spec());
  const auto tensor = [&](int t, std::span<T> flat) {
    const auto& spec = layer.graph.spec().tensor(t);
    return flat.subspan(layout.tensor_offset(t), std::size_t{spec.rows()} * spec.cols());
  };
  for (int t = 0; t < layer.graph.spec().tensor_size(); ++t) {
    const std::vector<double>& values = expected.tensors.at(layer.graph.spec().tensor(t).name());
    const std::span<T> to = tensor(t, layer.graph.parameters());
    ASSERT_EQ(values.size(), to.size()) << layer.graph.spec().tensor(t).name();
    std::copy(values.begin(), values.end(), to.begin());
  }
  Batch<T> batch;
  batch.rows = layer.lengths.rows();
  batch.tables = {layer.lengths.template table<T>()};
  const Step<T> step = {&batch, batch.rows, true, 5, &Kernels<T>::Best()};
  layer.graph.Forward(step);
  const Matrix<T> y = layer.y->values(layer.lengths.events()), dy = layer.y->gradients(layer.lengths.events());
  ASSERT_EQ(expected.output.size(), std::size_t{y.rows} * y.cols);
  for (std::size_t i = 0; i < expected.output.size(); ++i) {
    const std::size_t at = i / y.cols * y.stride + i % y.cols;
    EXPECT_NEAR(y.data[at], expected.output[i], kTolerance) << "output " << i;
    dy.data[at] = static_cast<T>(expected.output_gradient[i]);
  }
  layer.graph.Backward(step);
  for (int t = 0; t < layer.graph.spec().tensor_size(); ++t) {
    const std::string& name = layer.graph.spec().tensor(t).name();
    const std::span<T> gradient = tensor(t, layer.graph.gradients());
    const std::vector<double>& values = expected.gradients.at(name);
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(gradient[i], values[i], kTolerance * (1 + std::abs(values[i]))) << name << " " << i;
    }
  }
}

}  // namespace sherd::nn
