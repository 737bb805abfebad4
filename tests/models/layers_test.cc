#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "models/nn/activation.h"
#include "models/nn/batch_norm.h"
#include "models/nn/cross.h"
#include "models/nn/dot.h"
#include "models/nn/dropout.h"
#include "models/nn/elementwise.h"
#include "models/nn/embedding.h"
#include "models/nn/field_interaction.h"
#include "models/nn/interaction.h"
#include "models/nn/linear.h"
#include "models/nn/loss.h"
#include "models/nn/unit_length.h"
#include "tests/models/testing_graph.h"

namespace sherd::nn {
namespace {

class NonlinearityTest : public testing::TestWithParam<Nonlinearity> {};
INSTANTIATE_TEST_SUITE_P(All, NonlinearityTest,
                         testing::Values(Nonlinearity::kIdentity, Nonlinearity::kRelu, Nonlinearity::kTanh,
                                         Nonlinearity::kSigmoid));

double Apply(Nonlinearity f, double x) {
  switch (f) {
    case Nonlinearity::kRelu:
      return std::max(x, 0.0);
    case Nonlinearity::kTanh:
      return std::tanh(x);
    case Nonlinearity::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Nonlinearity::kIdentity:
      break;
  }
  return x;
}

TEST_P(NonlinearityTest, LinearGradient) {
  Graph<double> graph;
  Activation<double>* x = Leaf(&graph, "x", 5, 19);
  GraphCheck check(&graph, Linear(&graph, "y", x, {.units = 21, .nonlinearity = GetParam()}), 5);
  check.Check();
}

TEST_P(NonlinearityTest, LinearIsTheFormula) {
  Graph<double> graph;
  Activation<double>* x = Leaf(&graph, "x", 3, 2);
  GraphCheck check(&graph, Linear(&graph, "y", x, {.units = 17, .nonlinearity = GetParam()}), 3);
  check.Forward();
  const double *in = graph.parameters().data(), *weight = in + 16, *bias = weight + 48;
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 17; ++c) {
      const double z = in[2 * r] * weight[c] + in[2 * r + 1] * weight[17 + c] + bias[c];
      ASSERT_NEAR(check.output(r, c), Apply(GetParam(), z), 1e-14);
    }
  }
}

TEST_P(NonlinearityTest, ActivationGradient) {
  Graph<double> graph;
  Activation<double>* x = Leaf(&graph, "x", 4, 7);
  Activation<double>* hidden = Linear(&graph, "h", x, {.units = 18});
  GraphCheck check(&graph, Activate(&graph, "y", hidden, GetParam()), 4);
  check.Check();
}

TEST(ActivationTest, ExtremesNeitherOverflowNorLoseANan) {
  for (const Nonlinearity f : {Nonlinearity::kRelu, Nonlinearity::kTanh, Nonlinearity::kSigmoid}) {
    std::vector<float> y = {-1e30f, -100.0f, 0.0f, 100.0f, 1e30f, std::nanf("")};
    Kernels<float>::Best().bias_activation({y.data(), 6, 1, 6}, nullptr, f);
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(std::isfinite(y[i])) << i;
    EXPECT_TRUE(std::isnan(y[5]));
    EXPECT_LE(y[0], y[2]);
    EXPECT_LE(y[2], y[4]);
  }
}

TEST(ElementwiseTest, ProductGradientAlsoOfASquare) {
  Graph<double> graph;
  Activation<double>*a = Leaf(&graph, "a", 4, 3), *b = Leaf(&graph, "b", 4, 3);
  Activation<double>* ab = Product(&graph, "ab", a, b);
  GraphCheck check(&graph, Product(&graph, "aba", ab, a), 4);
  check.Check();
}

TEST(ElementwiseTest, SquareOfOneActivation) {
  Graph<double> graph;
  Activation<double>* a = Leaf(&graph, "a", 4, 3);
  GraphCheck check(&graph, Product(&graph, "aa", a, a), 4);
  check.Check();
}

TEST(ElementwiseTest, SumGradient) {
  Graph<double> graph;
  Activation<double>*a = Leaf(&graph, "a", 4, 1), *b = Leaf(&graph, "b", 4, 1);
  GraphCheck check(&graph, SumWithBias<double>(&graph, "sum", {a, b, a}, {}), 4);
  check.Check();
  check.Forward();
  EXPECT_NEAR(check.output(1, 0), graph.parameters()[32] + 2 * graph.parameters()[1] + graph.parameters()[17], 1e-14);
}

TEST(InteractionTest, IsTheSumOfAllPairsDotProducts) {
  constexpr int kFields = 5, kDim = 19;
  Graph<double> graph;
  Activation<double>* x = Leaf(&graph, "x", 3, kFields * kDim);
  GraphCheck check(&graph, Interaction(&graph, "y", x, kDim), 3);
  check.Check();
  check.Forward();
  for (int r = 0; r < 3; ++r) {
    const double* row = graph.parameters().data() + r * kFields * kDim;
    double pairs = 0;
    for (int i = 0; i < kFields; ++i) {
      for (int j = i + 1; j < kFields; ++j) {
        pairs += std::inner_product(row + i * kDim, row + (i + 1) * kDim, row + j * kDim, 0.0);
      }
    }
    EXPECT_NEAR(check.output(r, 0), pairs, 1e-12);
  }
}

// ---- concatenation: who writes a gradient first --------------------------------------------------------------------

TEST(ConcatTest, GradientsOfPartsAndWholeAddUpInAnyOrder) {
  for (const bool whole_first : {false, true}) {
    Graph<double> graph;
    Activation<double>*a = Leaf(&graph, "a", 3, 4), *b = Leaf(&graph, "b", 3, 4), *c = Leaf(&graph, "c", 3, 2);
    Activation<double>* whole = graph.Concat("abc", {a, b, c});
    Activation<double>*left = nullptr, *right = nullptr;
    if (whole_first) left = Linear(&graph, "left", whole, {.units = 4, .nonlinearity = Nonlinearity::kTanh});
    right = Product(&graph, "right", a, b);
    if (!whole_first) left = Linear(&graph, "left", whole, {.units = 4, .nonlinearity = Nonlinearity::kTanh});
    GraphCheck check(&graph, Product(&graph, "y", left, right), 3);
    check.Check();
  }
}

TEST(ConcatTest, NestedSharedAndRepeated) {
  Graph<double> graph;
  Activation<double>*a = Leaf(&graph, "a", 3, 4), *b = Leaf(&graph, "b", 3, 2);
  Activation<double>* ab = graph.Concat("ab", {a, b});
  Activation<double>* nested =
      graph.Concat("abb", {ab, Linear(&graph, "h", ab, {.units = 3}), b});  // b comes by a copy
  EXPECT_EQ(nested->cols, 11u);
  GraphCheck check(&graph, Linear(&graph, "y", nested, {.units = 2, .nonlinearity = Nonlinearity::kSigmoid}), 3);
  check.Check();
  EXPECT_EQ(a->data, nested->data) << "no copy of what is nowhere else";
}

TEST(GraphTest, LayersThatLeadNowhereGetNoGradient) {
  Graph<double> graph;
  Activation<double>* a = Leaf(&graph, "a", 3, 2);
  Linear(&graph, "dead", a, {.units = 5});
  GraphCheck check(&graph, Linear(&graph, "y", a, {.units = 2}), 3);
  for (double& g : graph.gradients()) g = 1e9;  // of an earlier minibatch
  check.Check();
}

// ---- fields --------------------------------------------------------------------------------------------------------

TEST(BiInteractionTest, WorkedByHand) {
  Graph<double> graph;
  Activation<double>* x = Leaf(&graph, "x", 1, 6);
  GraphCheck check(&graph, BiInteraction(&graph, "y", x, 2), 1);
  const std::array<double, 6> values = {1, 2, 3, 4, -5, 6};  // three fields of two
  std::copy(values.begin(), values.end(), graph.parameters().begin());
  check.Forward();
  EXPECT_EQ(check.output(0, 0), 1 * 3 + 1 * -5 + 3 * -5);
  EXPECT_EQ(check.output(0, 1), 2 * 4 + 2 * 6 + 4 * 6);
}

TEST(BiInteractionTest, GradientAlsoWhereItIsNotTheOnlyOne) {
  for (const std::uint32_t dim : {1u, 5u, 17u}) {
    Graph<double> graph;
    Activation<double>* x = Leaf(&graph, "x", 3, 4 * dim);
    Activation<double>* y = BiInteraction(&graph, "y", x, dim);
    GraphCheck check(&graph, graph.Concat("both", {y, BiInteraction(&graph, "z", x, 2 * dim)}), 3);
    check.Check();
  }
}

TEST(FieldAwareTest, WorkedByHand) {
  Graph<double> graph;
  Activation<double>* x = Leaf(&graph, "x", 1, 8);
  GraphCheck check(&graph, FieldAwareInteraction(&graph, "y", x, 2), 1);
  const std::array<double, 8> values = {9, 9, 1, 2, 3, 4, 9, 9};  // x[0,0], x[0,1], x[1,0], x[1,1] of two
  std::copy(values.begin(), values.end(), graph.parameters().begin());
  check.Forward();
  EXPECT_EQ(check.output(0, 0), 1 * 3 + 2 * 4);
}

TEST(FieldAwareTest, GradientAlsoWhereItIsNotTheOnlyOne) {
  for (const std::uint32_t dim : {1u, 5u, 18u}) {
    Graph<double> graph;
    Activation<double>* x = Leaf(&graph, "x", 3, 9 * dim);
    Activation<double>* y = FieldAwareInteraction(&graph, "y", x, 3);
    GraphCheck check(&graph, graph.Concat("both", {y, Product(&graph, "z", x, x)}), 3);
    check.Check();
  }
}

class CrossTest : public testing::TestWithParam<proto::CrossNetwork::Kind> {};
INSTANTIATE_TEST_SUITE_P(Kinds, CrossTest, testing::Values(proto::CrossNetwork::VECTOR, proto::CrossNetwork::MATRIX));

TEST_P(CrossTest, GradientOfALayerUponALayer) {
  Graph<double> graph;
  Activation<double>* x0 = Leaf(&graph, "x0", 4, 19);
  Activation<double>* x = Cross(&graph, "a", x0, x0, {.kind = GetParam()});
  GraphCheck check(&graph, Cross(&graph, "b", x0, x, {.kind = GetParam()}), 4);
  check.Check();
}

// ---- batch norm ----------------------------------------------------------------------------------------------------

TEST(BatchNormTest, Gradient) {
  Graph<double> graph;
  Activation<double>* x = Leaf(&graph, "x", 6, 70);
  GraphCheck check(&graph, BatchNorm(&graph, "y", x, {}), 6);
  check.Check();
}

TEST(BatchNormTest, WorkedByHand) {
  Graph<double> graph;
  Activation<double>* x = Leaf(&graph, "x", 4, 1);
  GraphCheck check(&graph, BatchNorm(&graph, "y", x, {}), 4);
  const std::array<double, 4> values = {1, 2, 3, 6};  // mean 3, squared deviations 4 + 1 + 0 + 9
  std::copy(values.begin(), values.end(), graph.parameters().begin());
  double *scale = &graph.parameters()[16], *shift = &graph.parameters()[32];
  double *running_mean = &graph.parameters()[48], *running_variance = &graph.parameters()[64];
  *scale = 2, *shift = 0.5, *running_mean = 1, *running_variance = 4;
  check.Backward();
  for (int r = 0; r < 4; ++r) EXPECT_NEAR(check.output(r, 0), 2 * (values[r] - 3) / std::sqrt(3.5 + 1e-5) + 0.5, 1e-12);
  EXPECT_NEAR(graph.gradients()[48], 3 * 4, 1e-12) << "mean times rows";
  EXPECT_NEAR(graph.gradients()[64], 14.0 / 3 * 4, 1e-12) << "unbiased variance times rows";
  check.Forward(/*training=*/false);
  for (int r = 0; r < 4; ++r) EXPECT_NEAR(check.output(r, 0), 2 * (values[r] - 1) / std::sqrt(4 + 1e-5) + 0.5, 1e-12);
}

TEST(BatchNormTest, VarianceOfAFarMeanInFloat) {  // 1e4 +- 1: a sum of squares in float would lose it all
  constexpr std::uint32_t kRows = 1000;
  std::vector<float> x(kRows);
  for (std::uint32_t r = 0; r < kRows; ++r) x[r] = 1e4f + (r % 2 == 0 ? 1 : -1);
  float mean, variance;
  Kernels<float>::Best().moments({x.data(), 1, kRows, 1}, &mean, &variance);
  EXPECT_FLOAT_EQ(mean, 1e4f);
  EXPECT_NEAR(variance, 1, 1e-4);
}

TEST(BatchNormTest, SpecSaysHowStatisticsBeginAndMove) {
  Graph<float> graph;
  BatchNorm(&graph, "n", Leaf(&graph, "x", 2, 3), {});
  ASSERT_EQ(graph.spec().tensor_size(), 5);
  EXPECT_EQ(graph.spec().tensor(4).name(), "n.running_variance");
  EXPECT_EQ(graph.spec().tensor(4).initializer().kind(), proto::Initializer::CONSTANT);
  EXPECT_EQ(graph.spec().tensor(4).initializer().scale(), 1);
  EXPECT_DOUBLE_EQ(graph.spec().tensor(3).optimizer().moving_average().momentum(), 0.9);
}

// ---- dropout -------------------------------------------------------------------------------------------------------

std::vector<float> DropoutOfOnes(const std::vector<std::uint64_t>& ids, std::uint64_t epoch, const std::string& name,
                                 double probability) {
  const auto rows = static_cast<std::uint32_t>(ids.size());
  Graph<float> graph;
  Activation<float>* y = Dropout(&graph, name, Leaf(&graph, "x", rows, 50), probability);
  graph.Build(y, rows);
  for (float& x : graph.parameters()) x = 1;
  Batch<float> batch;
  batch.rows = rows;
  batch.epoch = epoch;
  batch.row_ids = ids;
  graph.Forward({.batch = &batch, .rows = rows, .training = true, .seed = 3, .kernels = &Kernels<float>::Best()});
  std::vector<float> values;
  for (std::uint32_t r = 0; r < rows; ++r)
    values.insert(values.end(), y->data + r * y->stride, y->data + r * y->stride + 50);
  return values;
}

TEST(DropoutTest, MaskFollowsFromTheRowNotFromItsBatch) {
  const std::vector<float> together = DropoutOfOnes({7, 1000000007, 9}, 2, "d", 0.4);
  const std::vector<float> alone = DropoutOfOnes({9}, 2, "d", 0.4);
  EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + 100));
}

TEST(DropoutTest, RowsEpochsAndLayersHaveMasksOfTheirOwn) {
  const std::set<std::vector<float>> masks = {DropoutOfOnes({9}, 2, "d", 0.4), DropoutOfOnes({10}, 2, "d", 0.4),
                                              DropoutOfOnes({9}, 3, "d", 0.4), DropoutOfOnes({9}, 2, "e", 0.4)};
  EXPECT_EQ(masks.size(), 4u);
}

TEST(DropoutTest, DropsItsShareAndKeepsTheExpectation) {
  std::vector<std::uint64_t> ids(4000);
  std::iota(ids.begin(), ids.end(), 0);
  const std::vector<float> values = DropoutOfOnes(ids, 0, "d", 0.25);
  const auto dropped = static_cast<double>(std::count(values.begin(), values.end(), 0.0f));
  EXPECT_NEAR(dropped / static_cast<double>(values.size()), 0.25, 0.005);  // 5 standard deviations
  for (const float v : values) ASSERT_TRUE(v == 0 || std::abs(v - 1 / 0.75f) < 1e-6f);
}

TEST(DropoutTest, Gradient) {
  const std::vector<std::uint64_t> ids = {1, 2, 3, 4};
  Graph<double> graph;
  Activation<double>* x = Leaf(&graph, "x", 4, 9);
  GraphCheck check(&graph, Product(&graph, "y", Dropout(&graph, "d", x, 0.5), x), 4);
  check.batch().row_ids = ids;
  check.Check();
}

TEST(DropoutTest, NothingIsDroppedInEvaluation) {
  Graph<double> graph;
  Activation<double>* x = Leaf(&graph, "x", 4, 9);
  GraphCheck check(&graph, Dropout(&graph, "d", x, 0.5), 4);
  check.Forward(/*training=*/false);
  for (int c = 0; c < 9; ++c) EXPECT_EQ(check.output(2, c), graph.parameters()[18 + c]);
}

// ---- embeddings ----------------------------------------------------------------------------------------------------

// Three rows of two fields over five unique rows of 1 + 3 floats, with an empty field, repetitions and weights.
struct Occurrences {
  std::vector<double> values = std::vector<double>(20), gradients = std::vector<double>(20, 1e9);
  std::vector<const double*> rows;
  std::vector<double*> gradient_rows;
  std::vector<std::uint32_t> unique = {0, 1, 1, 4, 2, 0, 0}, offset = {0, 1, 3, 3, 4, 6, 7};
  std::vector<float> weight = {1, 0.5, -2, 1, 0.25, 3, 1};

  Occurrences() {
    for (int i = 0; i < 20; ++i) values[i] = Value(11, i);
    for (int i = 0; i < 5; ++i) rows.push_back(&values[4 * i]), gradient_rows.push_back(&gradients[4 * i]);
  }
  TableBatch<double> view() { return {unique, offset, weight, rows, gradient_rows}; }
};

TEST(EmbeddingTest, PoolsOccurrencesByWeightAndPassesGradientsBack) {
  Occurrences o;
  Graph<double> graph;
  Activation<double>* factors = Embedding(&graph, "e", {.table = 0, .fields = 2, .first = 1, .dim = 3});
  Activation<double>* linear = FirstOrderSum(&graph, "l", {.table = 0, .fields = 2, .first = 0, .dim = 1});
  Activation<double>* y = graph.Concat("y", {Product(&graph, "squares", factors, factors), linear});
  GraphCheck check(&graph, y, 3);
  check.batch().tables = {o.view()};
  check.Backward();
  std::vector<double*> x;
  for (double& v : o.values) x.push_back(&v);
  const std::vector<double> gradients = o.gradients;
  CheckGradients("rows", x, gradients, [&] { return check.Loss(); });
  for (int d = 0; d < 3; ++d) {
    EXPECT_EQ(check.output(0, 3 + d), std::pow(0.5 * o.values[4 + 1 + d] - 2 * o.values[4 + 1 + d], 2));
    EXPECT_EQ(check.output(1, d), 0) << "a field without occurrences";
    EXPECT_EQ(gradients[12 + 1 + d], 0) << "a unique row that is not looked up";
  }
}

TEST(EmbeddingTest, WithoutOffsetsEachFieldHasOneOccurrence) {
  Occurrences o;
  const std::vector<std::uint32_t> unique = {3, 1, 0, 4, 2, 2}, offset = {0, 1, 2, 3, 4, 5, 6};
  std::vector<double> outputs[2];
  for (const bool with_offset : {false, true}) {
    Graph<double> graph;
    GraphCheck check(&graph, Embedding(&graph, "e", {.table = 0, .fields = 2, .first = 0, .dim = 4}), 3);
    check.batch().tables = {
        {.unique = unique, .offset = {}, .weight = {}, .values = o.rows, .gradients = o.gradient_rows}};
    if (with_offset) check.batch().tables[0].offset = offset;
    check.Backward();
    outputs[with_offset] = o.gradients;
    for (int i = 0; i < 24; ++i) ASSERT_EQ(check.output(i / 8, i % 8), o.values[unique[i / 4] * 4 + i % 4]);
  }
  EXPECT_EQ(outputs[0], outputs[1]);
}

// ---- losses --------------------------------------------------------------------------------------------------------

class LossTest : public testing::TestWithParam<proto::Model::Loss> {};
INSTANTIATE_TEST_SUITE_P(All, LossTest, testing::Values(proto::Model::LOG_LOSS, proto::Model::SQUARED_ERROR));

TEST_P(LossTest, GradientAndFormula) {
  constexpr std::uint32_t kRows = 150;  // full blocks, full vectors and single rows
  std::vector<float> labels(kRows), weights(kRows);
  std::vector<double> z(kRows), dz(kRows);
  for (std::uint32_t i = 0; i < kRows; ++i)
    labels[i] = i % 3 == 0, weights[i] = static_cast<float>(i % 4), z[i] = 9 * Value(1, i);
  Activation<double> logits = {.name = "z", .cols = 1, .data = z.data(), .gradient = dz.data(), .stride = 1};
  Batch<double> batch;
  batch.rows = kRows;
  batch.labels = labels;
  batch.weights = weights;
  const Step<double> step = {&batch, kRows, true, 0, &Kernels<double>::Best()};
  const double loss = Loss(GetParam(), step, logits);
  double expected = 0;
  for (std::uint32_t i = 0; i < kRows; ++i) {
    const double p = 1 / (1 + std::exp(-z[i]));
    expected += weights[i] * (GetParam() == proto::Model::SQUARED_ERROR ? (z[i] - labels[i]) * (z[i] - labels[i])
                                                                        : -std::log(labels[i] == 1 ? p : 1 - p));
  }
  EXPECT_NEAR(loss, expected, 1e-11 * expected);
  std::vector<double*> x;
  for (double& v : z) x.push_back(&v);
  const std::vector<double> gradients = dz;
  CheckGradients(
      "logits", x, gradients, [&] { return Loss(GetParam(), step, logits); }, 1e-6);
}

TEST(DotTest, GradientAndFormula) {
  for (const std::uint32_t cols : {3u, 8u, 21u}) {
    Graph<double> graph;
    Activation<double>* a = Leaf(&graph, "a", 5, cols);
    Activation<double>* b = Leaf(&graph, "b", 5, cols);
    GraphCheck check(&graph, Dot(&graph, "y", a, b), 5);
    check.Check();
    for (std::uint32_t r = 0; r < 5; ++r) {
      double expected = 0;
      for (std::uint32_t c = 0; c < cols; ++c) expected += a->data[r * a->stride + c] * b->data[r * b->stride + c];
      EXPECT_NEAR(check.output(r, 0), expected, 1e-14);
    }
  }
}

TEST(UnitLengthTest, GradientAndFormula) {
  Graph<double> graph;
  Activation<double>* x = Leaf(&graph, "x", 5, 19);
  GraphCheck check(&graph, UnitLength(&graph, "y", x), 5);
  check.Check();
  for (std::uint32_t r = 0; r < 5; ++r) {
    double squares = 0;
    for (std::uint32_t c = 0; c < 19; ++c) squares += x->data[r * x->stride + c] * x->data[r * x->stride + c];
    for (std::uint32_t c = 0; c < 19; ++c) {
      EXPECT_NEAR(check.output(r, c), x->data[r * x->stride + c] / std::sqrt(squares), 1e-14);
    }
  }
  std::fill_n(graph.parameters().data(), graph.parameters().size(), 0.0);
  check.Backward();
  for (std::uint32_t c = 0; c < 19; ++c) EXPECT_EQ(check.output(0, c), 0) << "a row of zeros has no direction";
  for (const double g : graph.gradients()) EXPECT_EQ(g, 0);
}

// The gradient of one that stands on both sides is the sum of both.
TEST(DotTest, OfAVectorWithItself) {
  Graph<double> graph;
  Activation<double>* a = Leaf(&graph, "a", 4, 11);
  GraphCheck(&graph, Dot(&graph, "y", a, a), 4).Check();
}

TEST(LogLossTest, HugeLogitsStayFinite) {
  const std::vector<float> z = {-1e30f, 1e30f, -200, 200, 88, -88}, labels = {0, 1, 1, 0, 0, 1};
  std::vector<float> dz(6);
  const double loss = Kernels<float>::Best().log_loss(6, z.data(), labels.data(), nullptr, dz.data());
  EXPECT_FLOAT_EQ(static_cast<float>(loss), 200 + 200 + 88 + 88);
  const std::vector<float> expected = {0, 0, -1, 1, 1, -1};
  for (int i = 0; i < 6; ++i) EXPECT_FLOAT_EQ(dz[i], expected[i]) << i;
}

}  // namespace
}  // namespace sherd::nn
