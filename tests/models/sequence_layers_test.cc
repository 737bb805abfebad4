#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "models/nn/convolution.h"
#include "models/nn/dropout.h"
#include "models/nn/elementwise.h"
#include "models/nn/events.h"
#include "models/nn/gru.h"
#include "models/nn/layer_norm.h"
#include "models/nn/lstm.h"
#include "models/nn/occurrences.h"
#include "models/nn/self_attention.h"
#include "tests/models/layer_check.h"

namespace sherd::nn {
namespace {

// ---- gradients, alone and beside another reader of the input -------------------------------------------------------

TEST(SequenceLayersTest, LayerNormGradient) {
  for (const std::uint32_t cols : {3u, 19u}) {
    ExpectGradientsAlsoWhereItIsNotTheOnlyOne(
        cols, [](Graphd* graph, Activationd* x) { return LayerNorm(graph, "norm", x, {}); });
  }
}

TEST(SequenceLayersTest, PositionsGradient) {
  ExpectGradientsAlsoWhereItIsNotTheOnlyOne(
      5, [](Graphd* graph, Activationd* x) { return AddPositions(graph, "input", x, 6, {}, {}); });
}

TEST(SequenceLayersTest, AttentionGradient) {
  for (const std::uint32_t heads : {1u, 2u, 6u}) {
    ExpectGradientsAlsoWhereItIsNotTheOnlyOne(
        18, [&](Graphd* graph, Activationd* x) { return CausalSelfAttention(graph, "attention", x, heads); });
  }
}

TEST(SequenceLayersTest, GruGradient) {
  for (const std::uint32_t units : {1u, 7u}) {
    ExpectGradientsAlsoWhereItIsNotTheOnlyOne(
        4, [&](Graphd* graph, Activationd* x) { return Gru(graph, "gru", x, {.units = units}); });
  }
}

TEST(SequenceLayersTest, LstmGradient) {
  for (const std::uint32_t units : {1u, 7u}) {
    ExpectGradientsAlsoWhereItIsNotTheOnlyOne(
        4, [&](Graphd* graph, Activationd* x) { return Lstm(graph, "lstm", x, {.units = units}); });
  }
}

TEST(SequenceLayersTest, WindowsGradient) {
  ExpectGradientsAlsoWhereItIsNotTheOnlyOne(
      3, [](Graphd* graph, Activationd* x) { return Windows(graph, "windows", x, 4); });
}

TEST(SequenceLayersTest, ConvolutionsGradient) {
  for (const std::uint32_t height : {1u, 2u, 4u}) {
    ExpectGradientsAlsoWhereItIsNotTheOnlyOne(12, [&](Graphd* graph, Activationd* x) {
      return Convolution(graph, "convolution", x,
                         {.steps = 4, .height = height, .filters = 5, .nonlinearity = Nonlinearity::kTanh});
    });
  }
  ExpectGradientsAlsoWhereItIsNotTheOnlyOne(
      12, [](Graphd* graph, Activationd* x) { return MaxOverSteps(graph, "max", x, 4); });
  ExpectGradientsAlsoWhereItIsNotTheOnlyOne(
      12, [](Graphd* graph, Activationd* x) { return VerticalConvolution(graph, "vertical", x, 4, 3, {}); });
}

TEST(SequenceLayersTest, SumAndDropoutOfEventsGradient) {
  ExpectGradientsAlsoWhereItIsNotTheOnlyOne(
      5, [](Graphd* graph, Activationd* x) { return Sum(graph, "sum", Dropout(graph, "dropout", x, 0.4), x); });
}

TEST(SequenceLayersTest, WeighedGradientAndValues) {
  const EventLengths lengths(kLengths);
  const std::vector<float> weights = {0.5, -2, 0, 1, 1.5, 3, -1, 0.25, 4};
  Graphd graph;
  Activationd* x = Leaf(&graph, "x", lengths.events(), 3, graph.NewDomain(0, 0, 1));
  GraphCheck check(&graph, Weighed(&graph, "weighed", x), lengths.rows());
  check.batch().tables = {lengths.table<double>()};
  check.batch().tables[0].weight = weights;
  check.Check();
  check.Forward();
  for (std::uint32_t k = 0; k < 9; ++k) EXPECT_EQ(check.output(k, 1), weights[k] * graph.parameters()[3 * k + 1]);
}

TEST(SequenceLayersTest, RowSumGradient) {
  ExpectGradients(5, [](Graphd* graph, Activationd* x) { return RowSum(graph, "sum", x); });
  ExpectGradients(5, [](Graphd* graph, Activationd* x) {
    return RowSum(graph, "sum", Sum(graph, "twice", DropEvents(graph, "left", x, 0.4), x));
  });
}

// Of more targets than events, of fewer, and of as many.
TEST(SequenceLayersTest, LastEventsGradient) {
  const EventLengths events(kLengths), targets({5, 2, 1, 1});
  Graphd graph;
  Activationd* x = Leaf(&graph, "x", events.events(), 3, graph.NewDomain(0, 0, 1));
  Activationd* y = LastEvents(&graph, "last", x, graph.NewDomain(1, 0, 1));
  GraphCheck check(&graph, y, events.rows());
  check.batch().tables = {events.table<double>(), targets.table<double>()};
  check.Check();
  check.Forward();
  const double* in = graph.parameters().data();
  const std::array<int, 9> event_of = {-1, -1, 0, 1, 2, -1, -1, 7, 8};
  for (int target = 0; target < 9; ++target) {
    const double expected = event_of[target] < 0 ? 0 : in[3 * event_of[target] + 1];
    EXPECT_EQ(check.output(target, 1), expected) << target;
  }
}

TEST(SequenceLayersTest, RowMaxGradientAndValues) {
  ExpectGradients(5, [](Graphd* graph, Activationd* x) { return RowMax(graph, "max", x); });
  ExpectGradients(5, [](Graphd* graph, Activationd* x) {
    return graph->Concat("both", {RowMax(graph, "max", x), RowSum(graph, "sum", x)});
  });
  LayerUnderTest<double> layer(3, [](Graphd* graph, Activationd* x) { return RowMax(graph, "max", x); });
  GraphCheck check(&layer.graph, layer.y, layer.lengths.rows());
  check.batch().tables = {layer.lengths.table<double>()};
  check.Forward();
  const double* in = layer.graph.parameters().data();
  EXPECT_EQ(check.output(0, 1), std::max({in[1], in[4], in[7]}));
  EXPECT_EQ(check.output(1, 1), 0) << "no occurrences";
  EXPECT_EQ(check.output(3, 1), in[3 * 8 + 1]) << "one, which may be below zero";
}

TEST(SequenceLayersTest, LastEventGradient) {
  ExpectGradients(5, [](Graphd* graph, Activationd* x) { return LastEvent(graph, "last", x); });
  ExpectGradients(5, [](Graphd* graph, Activationd* x) {
    return graph->Concat("both", {LastEvent(graph, "last", x), RowSum(graph, "sum", x)});
  });
}

// ---- what is computed, against PyTorch -----------------------------------------------------------------------------

template <typename T>
class SequenceParityTest : public testing::Test {};
using Types = testing::Types<double, float>;
TYPED_TEST_SUITE(SequenceParityTest, Types);

TYPED_TEST(SequenceParityTest, LayerNorm) {
  ExpectParity<TypeParam>(reference::kLayerNorm, 6,
                          [](auto* graph, auto* x) { return LayerNorm(graph, "norm", x, {}); });
}

TYPED_TEST(SequenceParityTest, AttentionOfTwoHeads) {
  ExpectParity<TypeParam>(reference::kAttention, 18,
                          [](auto* graph, auto* x) { return CausalSelfAttention(graph, "attention", x, 2); });
}

TYPED_TEST(SequenceParityTest, Gru) {
  ExpectParity<TypeParam>(reference::kGru, 6, [](auto* graph, auto* x) { return Gru(graph, "gru", x, {.units = 4}); });
}

TYPED_TEST(SequenceParityTest, Lstm) {
  ExpectParity<TypeParam>(reference::kLstm, 6,
                          [](auto* graph, auto* x) { return Lstm(graph, "lstm", x, {.units = 4}); });
}

TYPED_TEST(SequenceParityTest, ConvolutionWithMaxPooling) {
  ExpectParity<TypeParam>(reference::kConvolution, 12, [](auto* graph, auto* x) {
    return MaxOverSteps(graph, "max", Convolution(graph, "convolution", x, {.steps = 4, .height = 2, .filters = 5}), 3);
  });
}

TYPED_TEST(SequenceParityTest, VerticalConvolution) {
  ExpectParity<TypeParam>(reference::kVertical, 12,
                          [](auto* graph, auto* x) { return VerticalConvolution(graph, "vertical", x, 4, 2, {}); });
}

// ---- what may not show ---------------------------------------------------------------------------------------------

// No event's output depends on a later event of its row, nor on another row.
TEST(SequenceLayersTest, NoEventSeesWhatComesAfterIt) {
  const std::vector<Build<double>> layers = {
      [](Graphd* graph, Activationd* x) { return CausalSelfAttention(graph, "attention", x, 2); },
      [](Graphd* graph, Activationd* x) { return Gru(graph, "gru", x, {.units = 5}); },
      [](Graphd* graph, Activationd* x) { return Lstm(graph, "lstm", x, {.units = 5}); },
      [](Graphd* graph, Activationd* x) { return Windows(graph, "windows", x, 3); }};
  for (const Build<double>& build : layers) {
    LayerUnderTest<double> layer(6, build);
    GraphCheck check(&layer.graph, layer.y, layer.lengths.rows());
    check.batch().tables = {layer.lengths.table<double>()};
    const auto outputs = [&] {
      check.Forward();
      std::vector<double> all;
      for (std::uint32_t k = 0; k < 9; ++k) {
        for (std::uint32_t c = 0; c < layer.y->cols; ++c) all.push_back(check.output(k, c));
      }
      return all;
    };
    const std::vector<double> before = outputs();
    constexpr std::uint32_t kChanged = 5;  // the third event of the row of five, events 3 to 7
    for (int c = 0; c < 6; ++c) layer.graph.parameters()[kChanged * 6 + c] += 1;
    const std::vector<double> after = outputs();
    for (std::uint32_t k = 0; k < 9; ++k) {
      const std::uint32_t begin = k * layer.y->cols, end = begin + layer.y->cols;
      const bool same = std::equal(before.begin() + begin, before.begin() + end, after.begin() + begin);
      EXPECT_EQ(same, k < kChanged || k == 8) << "event " << k;
    }
  }
}

// A mask goes by the row and the event's place in it, whatever rows are beside it.
TEST(SequenceLayersTest, DropoutOfAnEventDoesNotDependOnItsBatch) {
  const auto dropped = [](const std::vector<std::uint32_t>& row_lengths, const std::vector<std::uint64_t>& ids) {
    const EventLengths lengths(row_lengths);
    Graph<float> graph;
    Activation<float>* y = Dropout(&graph, "d", Leaf(&graph, "x", lengths.events(), 40, graph.NewDomain(0, 0, 1)), 0.5);
    graph.Build(y, lengths.rows());
    std::fill(graph.parameters().begin(), graph.parameters().end(), 1.0f);
    Batch<float> batch;
    batch.rows = lengths.rows();
    batch.row_ids = ids;
    batch.tables = {lengths.table<float>()};
    graph.Forward({&batch, batch.rows, true, 5, &Kernels<float>::Best()});
    std::vector<float> last;  // the second event of the last row
    const float* const row = y->data + std::size_t{lengths.events() - 1} * y->stride;
    last.assign(row, row + 40);
    last.insert(last.end(), row - y->stride, row - y->stride + 40);
    return last;
  };
  const std::vector<float> alone = dropped({2}, {9});
  EXPECT_EQ(dropped({3, 0, 2}, {4, 5, 9}), alone);
  EXPECT_NE(dropped({2}, {8}), alone);
  EXPECT_NE(std::vector<float>(alone.begin(), alone.begin() + 40), std::vector<float>(alone.begin() + 40, alone.end()));
}

TEST(SequenceLayersTest, AnEventIsDroppedAsAWhole) {
  const EventLengths lengths({400});
  Graph<float> graph;
  Activation<float>* y =
      DropEvents(&graph, "d", Leaf(&graph, "x", lengths.events(), 3, graph.NewDomain(0, 0, 1)), 0.25);
  graph.Build(y, lengths.rows());
  std::fill(graph.parameters().begin(), graph.parameters().end(), 3.0f);
  Batch<float> batch;
  batch.rows = lengths.rows();
  const std::vector<std::uint64_t> ids = {9};
  batch.row_ids = ids;
  batch.tables = {lengths.table<float>()};
  const auto dropped = [&](bool training) {
    graph.Forward({&batch, batch.rows, training, 5, &Kernels<float>::Best()});
    int events = 0;
    for (std::uint32_t k = 0; k < lengths.events(); ++k) {
      const float* const row = y->data + std::size_t{k} * y->stride;
      EXPECT_EQ(row[1], row[0]);
      EXPECT_EQ(row[2], row[0]);
      EXPECT_TRUE(row[0] == 0 || std::abs(row[0] - (training ? 4.0f : 3.0f)) < 1e-5f) << row[0];
      events += row[0] == 0;
    }
    return events;
  };
  EXPECT_NEAR(dropped(true), 100, 35) << "four deviations";
  EXPECT_EQ(dropped(false), 0);
}

}  // namespace
}  // namespace sherd::nn
