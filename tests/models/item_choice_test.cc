#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/dense_layout.h"
#include "models/nn/policy_gradient.h"
#include "models/nn/temporal_difference.h"
#include "tests/models/layer_check.h"
#include "tests/models/test_data.h"

// The losses of dqn and reinforce, whose gradients are not those of the whole loss: part by part.
namespace sherd {
namespace {

using nn::Activation;
using nn::CheckGradients;
using nn::Leaf;
using nn::Value;

constexpr std::uint32_t kRows = 4;  // of kLengths choices each

// Leaves for a loss over rows and their choices, and all that a batch needs.
struct LossUnderTest {
  nn::Graph<double> graph;
  const nn::EventLengths lengths{nn::kLengths};
  const nn::Domain* const domain = graph.NewDomain(0, 0, 1);
  Batch<double> batch;
  const std::vector<float> labels = {2, -1, 3, 0.5}, weights = {1, 0.5f, 2, 0}, numbers = {0.9f, 0.02f, 0.5f, 0.3f};

  void Build(Activation<double>* y) {
    graph.Build(y, lengths.events());
    for (std::size_t i = 0; i < graph.parameters().size(); ++i) graph.parameters()[i] = 2 * Value(7, i);
    batch.rows = kRows;
    batch.labels = labels;
    batch.weights = weights;
    batch.numbers = numbers;
    batch.tables = {lengths.table<double>()};
  }
  double Loss() {
    const nn::Step<double> step = {&batch, kRows, true, 5, &nn::Kernels<double>::Best()};
    graph.Forward(step);
    return graph.loss_head()->Loss(step);
  }
  void Backward() {
    Loss();
    graph.Backward({&batch, kRows, true, 5, &nn::Kernels<double>::Best()});
  }
  std::span<double> OfLeaf(int tensor, std::span<double> flat) {
    const auto& spec = graph.spec().tensor(tensor);
    return flat.subspan(DenseLayout(graph.spec()).tensor_offset(tensor), spec.rows());
  }
  void CheckLeaf(int tensor) {
    std::vector<double*> x;
    for (double& value : OfLeaf(tensor, graph.parameters())) x.push_back(&value);
    const auto gradients = OfLeaf(tensor, graph.gradients());
    CheckGradients("leaf", x, {gradients.begin(), gradients.end()}, [&] { return Loss(); });
  }
};

TEST(TemporalDifferenceTest, LossAndGradientAreTheFormulas) {
  LossUnderTest test;
  Activation<double>* q = Leaf(&test.graph, "q", kRows, 1);
  Activation<double>* next = Leaf(&test.graph, "next", test.lengths.events(), 1, test.domain);
  Activation<double>* discount = nn::Numbers(&test.graph, "discount", 1);
  test.Build(nn::TemporalDifference(&test.graph, "y", q, next, discount));
  test.Backward();
  double expected = 0;
  for (std::uint32_t r = 0, k = 0; r < kRows; ++r) {
    double best = nn::kLengths[r] == 0 ? 0 : -1e9;
    for (const std::uint32_t end = k + nn::kLengths[r]; k < end; ++k) best = std::max(best, next->data[k]);
    const double error = test.labels[r] + test.numbers[r] * best - q->data[r];
    expected += test.weights[r] * error * error;
  }
  EXPECT_NEAR(test.Loss(), expected, 1e-12);
  test.CheckLeaf(0);
  for (const double g : test.OfLeaf(1, test.graph.gradients())) EXPECT_EQ(g, 0) << "the target is taken as given";
}

class PolicyGradientTest : public ::testing::TestWithParam<double> {};

TEST_P(PolicyGradientTest, LossAndGradientAreTheFormulas) {
  LossUnderTest test;
  Activation<double>* score = Leaf(&test.graph, "score", kRows, 1);
  Activation<double>* choices = Leaf(&test.graph, "choices", test.lengths.events(), 1, test.domain);
  Activation<double>* baseline = Leaf(&test.graph, "baseline", kRows, 1);
  Activation<double>* propensity = nn::Numbers(&test.graph, "propensity", 1);
  Activation<double>* y =
      nn::PolicyGradient<double>(&test.graph, "y", {score, choices, baseline, propensity}, GetParam());
  test.Build(y);
  test.Backward();
  EXPECT_EQ(std::vector<double>(y->data, y->data + kRows), std::vector<double>(score->data, score->data + kRows));
  double expected = 0;
  std::vector<double> by_score, by_baseline;
  int capped = 0;
  for (std::uint32_t r = 0, k = 0; r < kRows; ++r) {
    double sum = 0;
    for (const std::uint32_t end = k + nn::kLengths[r]; k < end; ++k) sum += std::exp(choices->data[k]);
    const double advantage = test.labels[r] - baseline->data[r];
    const double ratio = sum == 0 ? 0 : std::exp(score->data[r]) / sum / test.numbers[r];
    const bool above = ratio > GetParam();
    const double f = above ? GetParam() * (1 + std::log(ratio / GetParam())) : ratio;
    expected += test.weights[r] * (advantage * advantage - advantage * f);
    // Chen et al. 2019: the return above the baseline times the capped weight times that of the log probability, which
    // is 1 by the score itself.
    by_score.push_back(-test.weights[r] * advantage * std::min(ratio, GetParam()));
    by_baseline.push_back(-2 * test.weights[r] * advantage);
    capped += above ? 1 : 0;
  }
  EXPECT_EQ(capped > 0, GetParam() < 10) << "both cases are tried";
  EXPECT_NEAR(test.Loss(), expected, 1e-12);
  const auto scores = test.OfLeaf(0, test.graph.gradients()), baselines = test.OfLeaf(2, test.graph.gradients());
  for (std::uint32_t r = 0; r < kRows; ++r) {
    EXPECT_NEAR(scores[r], by_score[r], 1e-12);
    EXPECT_NEAR(baselines[r], by_baseline[r], 1e-12);
  }
  test.CheckLeaf(0);
  test.CheckLeaf(1);
}

INSTANTIATE_TEST_SUITE_P(MaxWeights, PolicyGradientTest, ::testing::Values(0.2, 1e6));

TEST(PolicyGradientTest, APropensityThatIsNoneIsNoNumber) {
  LossUnderTest test;
  Activation<double>* score = Leaf(&test.graph, "score", kRows, 1);
  Activation<double>* choices = Leaf(&test.graph, "choices", test.lengths.events(), 1, test.domain);
  Activation<double>* baseline = Leaf(&test.graph, "baseline", kRows, 1);
  Activation<double>* propensity = nn::Numbers(&test.graph, "propensity", 1);
  test.Build(nn::PolicyGradient<double>(&test.graph, "y", {score, choices, baseline, propensity}, 10));
  std::vector<float> numbers = test.numbers;
  numbers[1] = 0;
  test.batch.numbers = numbers;
  EXPECT_TRUE(std::isnan(test.Loss()));
}

constexpr char kDqn[] = R"(model { name: "dqn" loss: Q_LEARNING embedding_dim: 5
                                   tower { hidden: 7 activation: TANH } q_learning { target_rate: 0.25 } })";
constexpr char kReinforce[] = R"(model { name: "reinforce" loss: POLICY_GRADIENT embedding_dim: 5
                                         tower { hidden: 7 activation: TANH } policy_gradient { max_weight: 2 } })";

// A whole model: gradients by name of tensors and of segments of rows.
class ChoiceModel {
 public:
  explicit ChoiceModel(const std::string& text)
      : job_(JobOf(text)), data_(job_, {1, 2, 3, 4, 5, 6, 7}, TestData<double>::Lookups::kMany) {
    model_ = MakeTestModel<double>(job_, 7);
    batch_ = data_.batch();
    Loss();
    model_->Backward(batch_);
  }

  struct Element {
    std::string name;
    double* value;
    double gradient;
  };
  // Of rows first, in the order of the tables' segments, then of tensors.
  std::vector<Element> Elements() {
    std::vector<Element> all;
    const std::vector<double*> values = data_.values();
    const std::vector<double> gradients = data_.gradients();
    std::size_t at = 0;
    for (const auto& table : model_->spec().table()) {
      for (std::uint32_t u = 0; u < TestData<double>::kUnique; ++u) {
        for (const auto& segment : table.segment()) {
          for (std::uint32_t i = 0; i < segment.dim(); ++i, ++at)
            all.push_back({segment.name(), values[at], gradients[at]});
        }
      }
    }
    const DenseLayout layout(model_->spec());
    for (int t = 0; t < model_->spec().tensor_size(); ++t) {
      const auto& tensor = model_->spec().tensor(t);
      for (std::size_t i = 0; i < std::size_t{tensor.rows()} * tensor.cols(); ++i) {
        const std::size_t place = layout.tensor_offset(t) + i;
        all.push_back({tensor.name(), &model_->parameters()[place], model_->gradients()[place]});
      }
    }
    return all;
  }
  double Loss() {
    model_->Forward(batch_, Model<double>::Mode::kTrain);
    return model_->Loss(batch_);
  }
  void CheckAllBut(const std::string& prefix) {
    std::vector<double*> x;
    std::vector<double> gradients;
    for (const Element& element : Elements()) {
      if (element.name.starts_with(prefix)) continue;
      x.push_back(element.value);
      gradients.push_back(element.gradient);
    }
    CheckGradients(
        "model", x, gradients, [this] { return Loss(); }, 1e-7);
    EXPECT_GT(std::ranges::count_if(gradients, [](double g) { return g != 0; }), 50);
  }
  const proto::ModelSpec& spec() const { return model_->spec(); }

 private:
  const proto::Job job_;
  TestData<double> data_;
  std::unique_ptr<Model<double>> model_;
  Batch<double> batch_;
};

TEST(DqnTest, GradientsOfAllButTheTargetNetwork) { ChoiceModel(std::string(kChoices) + kDqn).CheckAllBut("target."); }

// copy += rate (original - copy), by SGD of a gradient that the servers divide by the seven rows.
TEST(DqnTest, TheTargetNetworkFollows) {
  ChoiceModel model(std::string(kChoices) + kDqn);
  const auto elements = model.Elements();
  const std::string prefix = "target.";
  std::map<std::string, std::vector<ChoiceModel::Element>> by_name;
  for (const auto& element : elements) by_name[element.name].push_back(element);
  int copies = 0;
  for (const auto& [name, copy] : by_name) {
    if (!name.starts_with(prefix)) continue;
    const auto& original = by_name.at(name.substr(prefix.size()));
    ASSERT_EQ(copy.size(), original.size());
    for (std::size_t i = 0; i < copy.size(); ++i, ++copies) {
      EXPECT_DOUBLE_EQ(copy[i].gradient, 7 * (*copy[i].value - *original[i].value)) << name;
    }
  }
  EXPECT_EQ(2 * copies, static_cast<int>(elements.size())) << "all that is trained has a copy";
  const auto follows = [&](const auto& spec) {
    EXPECT_EQ(spec.optimizer().sgd().learning_rate(), spec.name().starts_with(prefix) ? 0.25 : 0.01) << spec.name();
    EXPECT_EQ(spec.optimizer().has_sgd(), spec.name().starts_with(prefix));
  };
  for (const auto& tensor : model.spec().tensor()) follows(tensor);
  for (const auto& table : model.spec().table()) {
    for (const auto& segment : table.segment()) follows(segment);
  }
}

TEST(ItemChoiceTest, WhatItCanNotBeIsRefused) {
  const auto refusal = [](const std::string& text) {
    const auto spec = DescribeModel(JobOf(text));
    return spec.ok() ? "none" : spec.status().text();
  };
  const std::string states = kStatesAndChoices, choices = kChoices;
  const auto begins = [](const std::string& text) { return testing::StartsWith(text); };
  EXPECT_THAT(refusal(states + kDqn), begins("feature: dqn takes two with table: \"state\""));
  EXPECT_THAT(refusal(choices + kReinforce), begins("feature: reinforce takes one with table: \"state\""));
  EXPECT_THAT(refusal(states + R"(feature { column: "I2" number { } })" + kReinforce), begins("feature: reinforce"));
  EXPECT_THAT(refusal(choices + R"(feature { column: "C9" })" + kDqn), begins("feature: dqn"));
  EXPECT_THAT(refusal(choices + R"(model { name: "dqn" })"), begins("model.loss: dqn is trained with Q_LEARNING"));
  EXPECT_THAT(refusal(states + R"(model { name: "lr" loss: POLICY_GRADIENT })"),
              begins("model.loss: POLICY_GRADIENT is that of reinforce, and not of lr"));
  EXPECT_THAT(refusal(states + R"(model { name: "lr" q_learning { } })"), begins("model.q_learning: is for dqn"));
  EXPECT_THAT(refusal(states + R"(model { name: "lr" policy_gradient { } })"), begins("model.policy_gradient: is for"));
  EXPECT_THAT(refusal(states + R"(model { name: "reinforce" loss: POLICY_GRADIENT tower { dropout: 0.5 } })"),
              begins("model.tower: reinforce has neither dropout nor batch_norm"));
}

TEST(ReinforceTest, GradientsOfAllButTheBaseline) {
  ChoiceModel(std::string(kStatesAndChoices) + kReinforce).CheckAllBut("baseline");
}

}  // namespace
}  // namespace sherd
