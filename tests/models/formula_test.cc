#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/dense_layout.h"
#include "models/model.h"
#include "tests/models/test_data.h"

namespace sherd {
namespace {

// What the models compute, written out on single rows with one occurrence a field.
class FormulaTest : public testing::Test {
 public:
  using Lookups = TestData<double>::Lookups;

  void Run(const std::string& text, Lookups lookups = Lookups::kOne) {
    job_ = JobOf(text);
    data_ = std::make_unique<TestData<double>>(job_, std::vector<std::uint64_t>{4, 5, 6}, lookups);
    batch_ = data_->batch();
    model_ = MakeTestModel<double>(job_, 3);
    const auto logits = model_->Forward(batch_, Model<double>::Mode::kEvaluate);
    logits_.assign(logits.begin(), logits.end());
  }
  const double* Row(int table, int r, int fields, int field = 0) const {
    return batch_.tables[table].values[batch_.tables[table].unique[r * fields + field]];
  }
  // Element (i, j) of a tensor.
  double Weight(const std::string& name, int i = 0, int j = 0) const {
    for (int t = 0; t < model_->spec().tensor_size(); ++t) {
      const auto& tensor = model_->spec().tensor(t);
      if (tensor.name() == name)
        return model_->parameters()[DenseLayout(model_->spec()).tensor_offset(t) + i * tensor.cols() + j];
    }
    ADD_FAILURE() << "no tensor " << name;
    return 0;
  }
  // relu(x W + b) of layer "tower.i".
  std::vector<double> Layer(int i, const std::vector<double>& x, int units) const {
    const std::string name = "tower." + std::to_string(i);
    std::vector<double> y(units);
    for (int j = 0; j < units; ++j) {
      double z = Weight(name + ".bias", 0, j);
      for (std::size_t k = 0; k < x.size(); ++k) z += x[k] * Weight(name + ".weight", static_cast<int>(k), j);
      y[j] = std::max(z, 0.0);
    }
    return y;
  }

  proto::Job job_;
  std::unique_ptr<TestData<double>> data_;
  Batch<double> batch_;
  std::unique_ptr<Model<double>> model_;
  std::vector<double> logits_;
};

TEST_F(FormulaTest, Lr) {
  Run(std::string(kClicks) + R"(model { name: "lr" })");
  for (int r = 0; r < 3; ++r) {
    double z = Weight("output.bias") + *Row(1, r, 1);
    for (int f = 0; f < 3; ++f) z += *Row(0, r, 3, f);
    for (int n = 0; n < 2; ++n) z += batch_.numbers[r * 2 + n] * Weight("numbers.linear.weight", n);
    EXPECT_NEAR(logits_[r], z, 1e-13);
  }
}

TEST_F(FormulaTest, Fm) {
  Run(std::string(kClicks) + R"(model { name: "fm" embedding_dim: 4 })");
  for (int r = 0; r < 3; ++r) {
    double z = Weight("output.bias") + *Row(1, r, 1);
    for (int n = 0; n < 2; ++n) z += batch_.numbers[r * 2 + n] * Weight("numbers.linear.weight", n);
    for (int f = 0; f < 3; ++f) {
      z += *Row(0, r, 3, f);
      for (int g = f + 1; g < 3; ++g) {
        for (int d = 1; d <= 4; ++d) z += Row(0, r, 3, f)[d] * Row(0, r, 3, g)[d];
      }
    }
    EXPECT_NEAR(logits_[r], z, 1e-13);
  }
}

// Both views are of all words where nothing is dropped.
TEST_F(FormulaTest, Contrast) {
  Run(std::string(kWords) +
          R"(model { name: "contrast" embedding_dim: 4 loss: IN_BATCH_SOFTMAX tower { dropout: 0.5 } })",
      Lookups::kMany);
  const TableBatch<double>& table = batch_.tables[0];
  for (int r = 0; r < 3; ++r) {
    double z = 0;
    for (int d = 0; d < 4; ++d) {
      double x = 0;
      for (std::uint32_t k = table.offset[r]; k < table.offset[r + 1]; ++k) {
        x += table.weight[k] * table.values[table.unique[k]][d];
      }
      z += x * x;
    }
    EXPECT_NEAR(logits_[r], z, 1e-13);
  }
}

TEST_F(FormulaTest, Nfm) {
  Run(std::string(kClicks) + R"(model { name: "nfm" embedding_dim: 4 tower { hidden: 6 } })");
  for (int r = 0; r < 3; ++r) {
    double z = Weight("output.bias") + *Row(1, r, 1);
    for (int n = 0; n < 2; ++n) z += batch_.numbers[r * 2 + n] * Weight("numbers.linear.weight", n);
    std::vector<double> x(4);
    for (int f = 0; f < 3; ++f) {
      z += *Row(0, r, 3, f);
      for (int g = f + 1; g < 3; ++g) {
        for (int d = 0; d < 4; ++d) x[d] += Row(0, r, 3, f)[1 + d] * Row(0, r, 3, g)[1 + d];
      }
    }
    x = Layer(0, x, 6);
    for (int i = 0; i < 6; ++i) z += x[i] * Weight("deep_output.weight", i);
    EXPECT_NEAR(logits_[r], z, 1e-13);
  }
}

TEST_F(FormulaTest, Ffm) {
  Run(std::string(kClicks) + R"(model { name: "ffm" embedding_dim: 4 })");
  for (int r = 0; r < 3; ++r) {
    double z = Weight("output.bias") + *Row(1, r, 1);
    for (int n = 0; n < 2; ++n) z += batch_.numbers[r * 2 + n] * Weight("numbers.linear.weight", n);
    for (int f = 0; f < 3; ++f) {
      z += *Row(0, r, 3, f);
      for (int g = f + 1; g < 3; ++g) {
        for (int d = 0; d < 4; ++d) z += Row(0, r, 3, f)[1 + 4 * g + d] * Row(0, r, 3, g)[1 + 4 * f + d];
      }
    }
    EXPECT_NEAR(logits_[r], z, 1e-13);
  }
}

// Two layers over the three embeddings and two numbers, and a tower of one.
class CrossFormulaTest : public FormulaTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Kinds, CrossFormulaTest, testing::Values("VECTOR", "MATRIX"));

TEST_P(CrossFormulaTest, Dcn) {
  const std::string kind = GetParam();
  Run(std::string(kClicks) + R"(model { name: "dcn" embedding_dim: 4 tower { hidden: 6 }
                                        cross { layers: 2 kind: )" +
      kind + " } }");
  for (int r = 0; r < 3; ++r) {
    std::vector<double> x0;
    for (int f = 0; f < 3; ++f) x0.insert(x0.end(), Row(0, r, 3, f), Row(0, r, 3, f) + 4);
    for (int n = 0; n < 2; ++n) x0.push_back(batch_.numbers[r * 2 + n]);
    std::vector<double> x = x0;
    for (const std::string name : {"cross.0", "cross.1"}) {
      std::vector<double> y(14);
      for (int c = 0; c < 14; ++c) {
        double product = kind == "MATRIX" ? Weight(name + ".bias", 0, c) : 0;
        for (int k = 0; k < 14; ++k) product += x[k] * Weight(name + ".weight", k, kind == "MATRIX" ? c : 0);
        y[c] = x0[c] * product + (kind == "VECTOR" ? Weight(name + ".bias", 0, c) : 0) + x[c];
      }
      x = y;
    }
    double z = Weight("output.bias") + *Row(1, r, 1);
    for (int c = 0; c < 14; ++c) z += x[c] * Weight("cross_output.weight", c);
    x = Layer(0, x0, 6);
    for (int i = 0; i < 6; ++i) z += x[i] * Weight("deep_output.weight", i);
    EXPECT_NEAR(logits_[r], z, 1e-12);
  }
}

TEST_F(FormulaTest, WideDeep) {
  Run(std::string(kClicks) + R"(model { name: "wide_deep" embedding_dim: 4 tower { hidden: 6 hidden: 3 } })");
  for (int r = 0; r < 3; ++r) {
    double z = Weight("output.bias") + *Row(1, r, 1);
    std::vector<double> x;
    for (int f = 0; f < 3; ++f) {
      z += *Row(0, r, 3, f);
      x.insert(x.end(), Row(0, r, 3, f) + 1, Row(0, r, 3, f) + 5);
    }
    for (int n = 0; n < 2; ++n) {
      x.push_back(batch_.numbers[r * 2 + n]);
      z += x.back() * Weight("numbers.wide.weight", n);
    }
    x = Layer(1, Layer(0, x, 6), 3);
    for (int i = 0; i < 3; ++i) z += x[i] * Weight("deep_output.weight", i);
    EXPECT_NEAR(logits_[r], z, 1e-13);
  }
}

TEST_F(FormulaTest, Mf) {
  Run(std::string(kPairs) + R"(model { name: "mf" embedding_dim: 4 })");
  for (int r = 0; r < 3; ++r) {
    const double *user = Row(0, r, 1), *item = Row(1, r, 1);
    double z = Weight("output.bias") + user[0] + item[0];
    for (int d = 1; d <= 4; ++d) z += user[d] * item[d];
    EXPECT_NEAR(logits_[r], z, 1e-13);
  }
}

// Of weighted words, in their order, with zeros before the first; and of the item itself.
TEST_F(FormulaTest, TwoTowerOfTexts) {
  Run(std::string(kTexts) + R"(model { name: "two_tower" embedding_dim: 3 loss: IN_BATCH_SOFTMAX
                                      convolution { window: 2 horizontal: 4 } })",
      Lookups::kMany);
  const TableBatch<double>&users = batch_.tables[0], &items = batch_.tables[1];
  for (int r = 0; r < 3; ++r) {
    const std::uint32_t ids = items.offset[2 * r], begin = items.offset[2 * r + 1], end = items.offset[2 * r + 2];
    std::vector<double> found(8);  // relu's least
    for (int height = 1; height <= 2; ++height) {
      const std::string name = "text." + std::to_string(height);
      for (int j = 0; j < 4; ++j) {
        for (std::uint32_t k = begin; k < end; ++k) {
          double z = Weight(name + ".bias", 0, j);
          for (int i = 0; i < height; ++i) {
            const int word = static_cast<int>(k) + 1 - height + i;
            if (word < static_cast<int>(begin)) continue;
            for (int d = 0; d < 3; ++d) {
              z += items.weight[word] * items.values[items.unique[word]][d] * Weight(name + ".weight", 3 * i + d, j);
            }
          }
          found[4 * (height - 1) + j] = std::max(found[4 * (height - 1) + j], z);
        }
      }
    }
    double score = 0;
    for (int d = 0; d < 3; ++d) {
      double p = 0, q = Weight("text.output.bias", 0, d);
      for (std::uint32_t k = users.offset[r]; k < users.offset[r + 1]; ++k) {
        p += users.weight[k] * users.values[users.unique[k]][d];
      }
      for (int j = 0; j < 8; ++j) q += found[j] * Weight("text.output.weight", j, d);
      for (std::uint32_t k = ids; k < begin; ++k) q += items.values[items.unique[k]][d];
      score += p * q;
    }
    EXPECT_NEAR(logits_[r], score, 1e-13);
  }
}

TEST_F(FormulaTest, AutoRec) {
  Run(std::string(kBags) + R"(model { name: "autorec" loss: SQUARED_ERROR tower { hidden: 4 activation: TANH } })",
      Lookups::kMany);
  const TableBatch<double>&history = batch_.tables[0], &targets = batch_.tables[1];
  ASSERT_EQ(logits_.size(), targets.unique.size());
  ASSERT_GE(logits_.size(), 2u);
  for (int r = 0; r < 3; ++r) {
    std::vector<double> h(4);
    for (int d = 0; d < 4; ++d) {
      double sum = Weight("encoded.bias", 0, d);
      for (std::uint32_t i = history.offset[r]; i < history.offset[r + 1]; ++i)
        sum += history.weight[i] * history.values[history.unique[i]][d];
      h[d] = std::tanh(sum);
    }
    for (std::uint32_t k = targets.offset[r]; k < targets.offset[r + 1]; ++k) {
      const double* row = targets.values[targets.unique[k]];
      double z = Weight("output.bias") + row[4];
      for (int d = 0; d < 4; ++d) z += h[d] * row[d];
      EXPECT_NEAR(logits_[k], z, 1e-13);
    }
  }
}

TEST_F(FormulaTest, Din) {
  Run(std::string(kHistories) + R"(model { name: "din" embedding_dim: 4 tower { hidden: 6 } })", Lookups::kMany);
  const TableBatch<double>& items = batch_.tables[0];
  std::uint32_t events = 0;
  for (int r = 0; r < 3; ++r) {
    std::vector<double> candidate(4), interest(4);
    const auto add = [](const double* row, double weight, std::vector<double>* sum) {
      for (int d = 0; d < 4; ++d) (*sum)[d] += weight * row[d];
    };
    for (std::uint32_t i = items.offset[2 * r]; i < items.offset[2 * r + 1]; ++i)
      add(items.values[items.unique[i]], 1, &candidate);
    for (std::uint32_t i = items.offset[2 * r + 1]; i < items.offset[2 * r + 2]; ++i, ++events) {
      const double* event = items.values[items.unique[i]];
      std::vector<double> x(event, event + 4);
      x.insert(x.end(), candidate.begin(), candidate.end());
      for (int d = 0; d < 4; ++d) x.push_back(event[d] * candidate[d]);
      double weight = Weight("attention.1.bias");
      for (int j = 0; j < 36; ++j) {
        double z = Weight("attention.0.bias", 0, j);
        for (int k = 0; k < 12; ++k) z += x[k] * Weight("attention.0.weight", k, j);
        weight += Weight("attention.1.weight", j) / (1 + std::exp(-z));
      }
      add(event, weight, &interest);
    }
    std::vector<double> x = candidate;
    x.insert(x.end(), interest.begin(), interest.end());
    x = Layer(0, x, 6);
    double z = Weight("output.bias");
    for (int i = 0; i < 6; ++i) z += x[i] * Weight("deep_output.weight", i);
    EXPECT_NEAR(logits_[r], z, 1e-12);
  }
  EXPECT_GT(events, 0u);
}

TEST_F(FormulaTest, Gmf) {
  Run(std::string(kPairs) + R"(model { name: "gmf" embedding_dim: 4 })");
  for (int r = 0; r < 3; ++r) {
    double z = Weight("output.bias");
    for (int d = 0; d < 4; ++d) z += Row(0, r, 1)[d] * Row(1, r, 1)[d] * Weight("fusion.weight", d);
    EXPECT_NEAR(logits_[r], z, 1e-13);
  }
}

TEST_F(FormulaTest, BprMfIsTheDotProductOfItsVectors) {
  Run(std::string(kPairs) + R"(model { name: "bpr_mf" embedding_dim: 19 loss: BPR })");
  const ScoreFactors<double> factors = model_->Factors();
  ASSERT_EQ(factors.user.cols, 19u);
  EXPECT_EQ(model_->spec().factors(), 19u);
  for (int r = 0; r < 3; ++r) {
    double z = 0;
    for (int d = 0; d < 19; ++d) {
      z += Row(0, r, 1)[d] * Row(1, r, 1)[d];
      EXPECT_EQ(factors.user.data[r * factors.user.stride + d], Row(0, r, 1)[d]);
      EXPECT_EQ(factors.item.data[r * factors.item.stride + d], Row(1, r, 1)[d]);
    }
    EXPECT_NEAR(logits_[r], z, 1e-13);
  }
}

TEST_F(FormulaTest, NeuMfIsGmfBesideMlp) {
  Run(std::string(kPairs) + R"(model { name: "neumf" embedding_dim: 4 tower { hidden: 6 hidden: 5 hidden: 2 } })");
  for (int r = 0; r < 3; ++r) {
    const double *user = Row(0, r, 1), *item = Row(1, r, 1);
    std::vector<double> x(user + 4, user + 7);
    x.insert(x.end(), item + 4, item + 7);
    x = Layer(1, Layer(0, x, 5), 2);
    double z = Weight("output.bias");
    for (int d = 0; d < 4; ++d) z += user[d] * item[d] * Weight("fusion.weight", d);
    for (int i = 0; i < 2; ++i) z += x[i] * Weight("fusion.weight", 4 + i);
    EXPECT_NEAR(logits_[r], z, 1e-13);
  }
}

// He et al. 2020, equations 3, 7 and 9, node by node.
class LightGcnFormulaTest : public FormulaTest {
 public:
  // e^(k) of a node of the side.
  std::vector<double> Embedding(int side, std::uint32_t node, std::uint32_t k) const {
    const Neighbourhood& graph = *batch_.neighbourhood;
    const Neighbourhood::Side &own = side == 0 ? graph.user : graph.item, &other = side == 0 ? graph.item : graph.user;
    const double* const row = batch_.tables[side].values[batch_.tables[side].unique[node]];
    std::vector<double> e(row, row + 3);
    if (k == 0) return e;
    std::fill(e.begin(), e.end(), 0.0);
    for (std::uint32_t i = own.begin[node]; i < own.begin[node + 1]; ++i) {
      const std::vector<double> before = Embedding(1 - side, own.neighbour[i], k - 1);
      for (int c = 0; c < 3; ++c) {
        e[c] += before[c] * own.share[node] * own.scale[node] * other.scale[own.neighbour[i]];
      }
    }
    return e;
  }
  std::vector<double> Vector(int side, std::uint32_t node, std::uint32_t layers) const {
    std::vector<double> sum(3);
    for (std::uint32_t k = 0; k <= layers; ++k) {
      const std::vector<double> e = Embedding(side, node, k);
      for (int c = 0; c < 3; ++c) sum[c] += e[c] / (layers + 1);
    }
    return sum;
  }
};

TEST_F(LightGcnFormulaTest, LightGcn) {
  for (const std::uint32_t layers : {1, 2, 3}) {
    Run(std::string(kPairs) + "model { name: 'lightgcn' embedding_dim: 3 loss: BPR graph_convolution { layers: " +
        std::to_string(layers) + " } }");
    for (int r = 0; r < 3; ++r) {
      const std::vector<double> user = Vector(0, batch_.neighbourhood->user.row[r], layers);
      const std::vector<double> item = Vector(1, batch_.neighbourhood->item.row[r], layers);
      EXPECT_NEAR(logits_[r], user[0] * item[0] + user[1] * item[1] + user[2] * item[2], 1e-14) << layers;
    }
  }
}

}  // namespace
}  // namespace sherd
