#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "models/nn/class_softmax.h"
#include "models/nn/image.h"
#include "tests/models/layer_check.h"

namespace sherd::nn {
namespace {

TEST(ImageLayersTest, ConvolutionGradient) {
  for (const ImageShape shape : {ImageShape{1, 1, 3}, ImageShape{3, 2, 2}, ImageShape{4, 5, 1}}) {
    ExpectGradientsAlsoWhereItIsNotTheOnlyOne(shape.pixels() * shape.channels, [&](Graphd* graph, Activationd* x) {
      return ImageConvolution(graph, "image", x, shape, {.filters = 3, .nonlinearity = Nonlinearity::kTanh});
    });
  }
}

TEST(ImageLayersTest, MaxPoolGradient) {
  for (const ImageShape shape : {ImageShape{2, 2, 3}, ImageShape{5, 4, 2}}) {
    ExpectGradientsAlsoWhereItIsNotTheOnlyOne(shape.pixels() * shape.channels, [&](Graphd* graph, Activationd* x) {
      return MaxPool(graph, "max", x, shape);
    });
  }
}

template <typename T>
class ImageParityTest : public testing::Test {};
using Types = testing::Types<double, float>;
TYPED_TEST_SUITE(ImageParityTest, Types);

TYPED_TEST(ImageParityTest, ConvolutionAndMaxPooling) {
  ExpectParity<TypeParam>(reference::kImage, 40, [](auto* graph, auto* x) {
    const ImageShape shape = {.height = 4, .width = 5, .channels = 2};
    return MaxPool(graph, "max", ImageConvolution(graph, "image", x, shape, {.filters = 3}), {4, 5, 3});
  });
}

TEST(ClassSoftmaxTest, LossAndGradientsAreTheFormulas) {
  constexpr std::uint32_t kRows = 5, kClasses = 4;
  const std::vector<float> labels = {0, 3, 1, 1, 2}, weights = {1, 0.5, 2, 0, 1};
  Graphd graph;
  Activationd* x = Leaf(&graph, "x", kRows, kClasses);
  Activationd* y = ClassSoftmax(&graph, "class", x);
  graph.Build(y, kRows);
  for (std::size_t i = 0; i < graph.parameters().size(); ++i) graph.parameters()[i] = 3 * Value(7, i);
  Batch<double> batch;
  batch.rows = kRows;
  batch.labels = labels;
  batch.weights = weights;
  const Step<double> step = {&batch, kRows, true, 5, &Kernels<double>::Best()};
  const auto loss = [&] {
    graph.Forward(step);
    return graph.loss_head()->Loss(step);
  };
  const double at = loss();
  double expected = 0;
  for (std::uint32_t r = 0; r < kRows; ++r) {
    const double* row = &graph.parameters()[r * kClasses];
    double sum = 0;
    for (std::uint32_t c = 0; c < kClasses; ++c) sum += std::exp(row[c]);
    expected += weights[r] * (std::log(sum) - row[static_cast<int>(labels[r])]);
    EXPECT_EQ(y->data[r], std::max_element(row, row + kClasses) - row) << "the class that is most likely";
  }
  EXPECT_NEAR(at, expected, 1e-12 * expected);
  graph.Backward(step);
  const std::vector<double> gradients(graph.gradients().begin(), graph.gradients().begin() + kRows * kClasses);
  std::vector<double*> elements;
  for (std::uint32_t i = 0; i < kRows * kClasses; ++i) elements.push_back(&graph.parameters()[i]);
  CheckGradients("logits", elements, gradients, loss, 1e-7);
}

TEST(ClassSoftmaxTest, ALabelThatIsNoClassShowsInTheLoss) {
  for (const float label : {-1.0f, 2.0f, 1e30f, std::nanf("")}) {
    const std::vector<float> labels = {label};
    Graphd graph;
    graph.Build(ClassSoftmax(&graph, "class", Leaf(&graph, "x", 1, 2)), 1);
    Batch<double> batch;
    batch.rows = 1;
    batch.labels = labels;
    const Step<double> step = {&batch, 1, true, 5, &Kernels<double>::Best()};
    graph.Forward(step);
    EXPECT_TRUE(std::isnan(graph.loss_head()->Loss(step))) << label;
  }
}

}  // namespace
}  // namespace sherd::nn
