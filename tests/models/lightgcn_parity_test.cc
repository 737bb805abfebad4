#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "models/model.h"
#include "tests/models/reference/lightgcn_tiny.h"
#include "tests/models/test_data.h"

namespace sherd {
namespace {

namespace tiny = reference::lightgcn;

// One side of the whole graph, with all its nodes among the rows' own or one edge further; the first of each pair is
// this side's.
Neighbourhood::Side SideOf(std::vector<std::pair<std::uint32_t, std::uint32_t>> edges, std::uint32_t nodes) {
  Neighbourhood::Side side;
  side.within.assign(tiny::kLayers + 1, nodes);
  side.begin.push_back(0);
  for (std::uint32_t node = 0; node < nodes; ++node) {
    for (const auto& [from, to] : edges) {
      if (from == node) side.neighbour.push_back(to);
    }
    side.begin.push_back(static_cast<std::uint32_t>(side.neighbour.size()));
    const std::uint32_t degree = side.begin[node + 1] - side.begin[node];
    side.scale.push_back(degree == 0 ? 0 : 1 / std::sqrt(static_cast<float>(degree)));
    side.share.push_back(1);
  }
  return side;
}

template <typename T>
struct TableOf {
  TableOf(const std::vector<double>& rows, std::vector<std::uint32_t> nodes)
      : unique(std::move(nodes)), values(rows.begin(), rows.end()), gradients(rows.size()) {
    for (std::size_t i = 0; i < values.size(); i += tiny::kDim) {
      value_rows.push_back(&values[i]);
      gradient_rows.push_back(&gradients[i]);
    }
  }
  std::vector<std::uint32_t> unique;
  std::vector<T> values, gradients;
  std::vector<const T*> value_rows;
  std::vector<T*> gradient_rows;
};

template <typename T>
class LightGcnParityTest : public testing::Test {
 public:
  // The degrees' roots are floats, whatever T is.
  static void ExpectNear(std::span<const T> values, const std::vector<double>& expected) {
    ASSERT_EQ(values.size(), expected.size());
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], 3e-6) << i;
  }
};

using Types = testing::Types<double, float>;
TYPED_TEST_SUITE(LightGcnParityTest, Types);

TYPED_TEST(LightGcnParityTest, ScoresLossAndEveryGradient) {
  Neighbourhood graph;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> turned;
  for (const auto& [user, item] : tiny::kEdges) turned.emplace_back(item, user);
  graph.user = SideOf(tiny::kEdges, tiny::kUsers);
  graph.item = SideOf(turned, tiny::kItems);
  std::vector<std::uint64_t> names;
  for (const auto& [user, item] : tiny::kPairs) {
    graph.user.row.push_back(user);
    graph.item.row.push_back(item);
    names.push_back(item);
  }
  TableOf<TypeParam> users(tiny::kUserRows, {0, 1, 2, 3}), items(tiny::kItemRows, {0, 1, 2, 3, 4});
  Batch<TypeParam> batch;
  batch.rows = static_cast<std::uint32_t>(tiny::kPairs.size());
  batch.items = names;
  batch.neighbourhood = &graph;
  batch.tables = {{users.unique, {}, {}, users.value_rows, users.gradient_rows},
                  {items.unique, {}, {}, items.value_rows, items.gradient_rows}};
  const proto::Job job = JobOf(std::string(kPairs) + R"(model {
    name: "lightgcn" embedding_dim: 3 loss: IN_BATCH_SOFTMAX graph_convolution { layers: 3 }
    in_batch_softmax { temperature: 0.5 correct_frequency: false } })");
  const auto model = MakeModel<TypeParam>(job, batch.rows).value();
  this->ExpectNear(model->Forward(batch, Model<TypeParam>::Mode::kTrain), tiny::kScores);
  EXPECT_NEAR(model->Loss(batch), tiny::kLoss, 1e-5);
  model->Backward(batch);
  this->ExpectNear(users.gradients, tiny::kUserGradient);
  this->ExpectNear(items.gradients, tiny::kItemGradient);
}

// Nobody has it in training: its vector is its own embedding's part of the mean, and so is its gradient.
TEST(LightGcnTest, ANodeWithoutNeighboursKeepsItsEmbedding) {
  Neighbourhood graph;
  graph.user = SideOf({}, 1);
  graph.item = SideOf({}, 1);
  graph.user.row = graph.item.row = {0};
  TableOf<double> users({2, 4, 6}, {0}), items({1, 3, 5}, {0});
  const std::vector<float> labels = {1};
  Batch<double> batch;
  batch.rows = 1;
  batch.labels = labels;
  batch.neighbourhood = &graph;
  batch.tables = {{users.unique, {}, {}, users.value_rows, users.gradient_rows},
                  {items.unique, {}, {}, items.value_rows, items.gradient_rows}};
  const proto::Job job =
      JobOf(std::string(kPairs) + R"(model { name: "lightgcn" embedding_dim: 3 graph_convolution { layers: 3 } })");
  const auto model = MakeModel<double>(job, 1).value();
  EXPECT_DOUBLE_EQ(model->Forward(batch, Model<double>::Mode::kTrain)[0], (2 * 1 + 4 * 3 + 6 * 5) / 16.0);
  model->Loss(batch);
  model->Backward(batch);
  const double dy = 1 / (1 + std::exp(-44 / 16.0)) - 1;
  for (int c = 0; c < 3; ++c) EXPECT_NEAR(users.gradients[c], dy * items.values[c] / 16, 1e-14);
}

}  // namespace
}  // namespace sherd
