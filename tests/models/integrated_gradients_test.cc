#include "models/integrated_gradients.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/dense_layout.h"
#include "models/feature_layout.h"
#include "tests/models/test_data.h"

namespace sherd {
namespace {

constexpr char kSequencesOfSix[] = R"(
  data { format: USER_ITEM user_item { sequences { max_length: 6 } } }
  feature { column: "item" table: "item" }
  feature { column: "history" table: "item" })";
constexpr char kSequencesOfUsers[] = R"(
  data { format: USER_ITEM user_item { sequences { max_length: 6 } } }
  feature { column: "user" table: "user" }
  feature { column: "history" table: "item" }
  feature { column: "item" table: "item" })";

// Rows of one occurrence a field, of a history none to five; rows of tables are shared, and all weigh something.
class Rows {
 public:
  static constexpr std::uint32_t kRows = 6, kUnique = 4;

  Rows(const proto::Job& job, const proto::ModelSpec& spec) {
    const FeatureLayout layout = FeatureLayout::Make(job).value();
    tables_.resize(layout.tables.size());
    batch_.rows = kRows;
    for (std::size_t t = 0; t < tables_.size(); ++t) {
      Table& table = tables_[t];
      std::uint32_t floats = 0;
      for (const auto& segment : spec.table(static_cast<int>(t)).segment()) floats += segment.dim();
      for (std::uint32_t i = 0; i < kUnique * floats; ++i) table.values.push_back(nn::Value(50 + t, i));
      for (std::uint32_t u = 0; u < kUnique; ++u) table.rows.push_back(&table.values[u * floats]);
      for (std::uint32_t r = 0; r < kRows; ++r) {
        for (const int feature : layout.tables[t].features) {
          const bool history = layout.features[feature].column == "history";
          for (std::uint32_t n = history ? r : 1; n > 0; --n) {
            table.unique.push_back(static_cast<std::uint32_t>(Mix(r, feature, n) % kUnique));
            table.weight.push_back(0.5f + 0.25f * static_cast<float>(table.unique.size() % 4));
          }
          table.offset.push_back(static_cast<std::uint32_t>(table.unique.size()));
        }
      }
      batch_.tables.push_back({table.unique, table.offset, table.weight, {table.rows.data(), table.rows.size()}, {}});
    }
    for (std::size_t i = 0; i < kRows * layout.numbers.size(); ++i) {
      numbers_.push_back(static_cast<float>(nn::Value(9, i)));
    }
    batch_.numbers = numbers_;
  }

  const Batch<double>& batch() const { return batch_; }
  double value(std::size_t table, std::uint32_t occurrence) const {
    return tables_[table].rows[tables_[table].unique[occurrence]][0];
  }
  double weight(std::size_t table, std::uint32_t occurrence) const { return tables_[table].weight[occurrence]; }

 private:
  struct Table {
    std::vector<double> values;
    std::vector<const double*> rows;
    std::vector<std::uint32_t> unique, offset = {0};
    std::vector<float> weight;
  };
  std::vector<Table> tables_;
  std::vector<float> numbers_;
  Batch<double> batch_;
};

// Running statistics are those of a model that has been trained: variances are no less than zero.
std::unique_ptr<Model<double>> ModelOf(const proto::Job& job) {
  auto model = MakeTestModel<double>(job, Rows::kRows);
  const DenseLayout layout(model->spec());
  for (int t = 0; t < model->spec().tensor_size(); ++t) {
    const proto::TensorSpec& tensor = model->spec().tensor(t);
    if (!tensor.name().ends_with("running_variance")) continue;
    for (std::size_t c = 0; c < tensor.cols(); ++c) model->parameters()[layout.tensor_offset(t) + c] = 0.5 + 0.1 * c;
  }
  return model;
}

double SumOfRow(const IntegratedGradients<double>& gradients, std::size_t tables, std::uint32_t r) {
  double sum = 0;
  for (std::size_t t = 0; t < tables; ++t) {
    const std::size_t fields = (gradients.offsets(t).size() - 1) / Rows::kRows;
    const std::uint32_t begin = gradients.offsets(t)[r * fields], end = gradients.offsets(t)[(r + 1) * fields];
    const auto shares = gradients.shares(t).subspan(begin, end - begin);
    sum += std::accumulate(shares.begin(), shares.end(), 0.0);
  }
  return sum;
}

TEST(IntegratedGradientsTest, OfALinearModelEachOccurrenceHasItsWeight) {
  const proto::Job job = JobOf(std::string(kClicks) + R"(model { name: "lr" })");
  const auto model = ModelOf(job);
  const Rows rows(job, model->spec());
  IntegratedGradients<double> gradients;
  gradients.Explain(rows.batch(), model.get());
  for (std::size_t t = 0; t < rows.batch().tables.size(); ++t) {
    for (std::uint32_t k = 0; k < gradients.shares(t).size(); ++k) {
      EXPECT_NEAR(gradients.shares(t)[k], rows.weight(t, k) * rows.value(t, k), 1e-12);
    }
  }
  const auto scores = model->Forward(rows.batch(), Model<double>::Mode::kEvaluate);
  for (std::uint32_t r = 0; r < Rows::kRows; ++r) {
    EXPECT_EQ(gradients.scores()[r], scores[r]);
    EXPECT_NEAR(gradients.baselines()[r] + SumOfRow(gradients, 2, r), scores[r], 1e-12)
        << "bias and numbers are not shared";
    EXPECT_NE(gradients.baselines()[r], 0);
  }
}

// The path goes through products along which both sides grow alike.
TEST(IntegratedGradientsTest, OfAProductBothSidesHaveHalf) {
  const proto::Job job = JobOf(std::string(kPairs) + R"(model { name: "bpr_mf" embedding_dim: 5 loss: BPR })");
  const auto model = ModelOf(job);
  const Rows rows(job, model->spec());
  IntegratedGradients<double> gradients;
  gradients.Explain(rows.batch(), model.get());
  for (std::uint32_t r = 0; r < Rows::kRows; ++r) {
    EXPECT_EQ(gradients.baselines()[r], 0);
    EXPECT_NEAR(gradients.shares(0)[r], gradients.scores()[r] / 2, 1e-12);
    EXPECT_NEAR(gradients.shares(1)[r], gradients.scores()[r] / 2, 1e-12);
  }
}

struct Explained {
  const char *name, *data, *text;
};

class ExplainedModelTest : public testing::TestWithParam<Explained> {};
INSTANTIATE_TEST_SUITE_P(
    All, ExplainedModelTest,
    testing::Values(
        Explained{"DeepFm", kClicks, R"(model { name: "deepfm" embedding_dim: 5 tower { hidden: 7 hidden: 4 } })"},
        Explained{"DeepFmNormAndDropout", kClicks,
                  R"(model { name: "deepfm" embedding_dim: 5
                             tower { hidden: 17 hidden: 4 batch_norm: true dropout: 0.3 } })"},
        Explained{"NfmNormAndDropout", kClicks,
                  R"(model { name: "nfm" embedding_dim: 5
                             tower { hidden: 6 activation: SIGMOID batch_norm: true dropout: 0.3 } })"},
        Explained{"Ffm", kClicks, R"(model { name: "ffm" embedding_dim: 5 })"},
        Explained{"Dcn", kClicks, R"(model { name: "dcn" embedding_dim: 5 cross { layers: 2 } tower { hidden: 7 } })"},
        Explained{"NeuMf", kPairs,
                  R"(model { name: "neumf" embedding_dim: 5 tower { hidden: 8 hidden: 6 hidden: 3 } })"},
        Explained{"TwoTower", kPairs,
                  R"(model { name: "two_tower" embedding_dim: 5 loss: IN_BATCH_SOFTMAX
                             in_batch_softmax { temperature: 0.7 } tower { hidden: 7 hidden: 6 dropout: 0.2 } })"},
        Explained{"SasRec", kSequencesOfSix,
                  R"(model { name: "sasrec" embedding_dim: 6 loss: IN_BATCH_SOFTMAX
                             attention { heads: 2 dropout: 0.3 } })"},
        Explained{"Gru4Rec", kSequencesOfSix,
                  R"(model { name: "gru4rec" embedding_dim: 5 loss: IN_BATCH_SOFTMAX tower { hidden: 17 } })"},
        Explained{
            "Lstm", kSequencesOfSix,
            R"(model { name: "lstm" embedding_dim: 5 loss: IN_BATCH_SOFTMAX tower { hidden: 17 dropout: 0.2 } })"},
        Explained{"Caser", kSequencesOfUsers,
                  R"(model { name: "caser" embedding_dim: 5 loss: IN_BATCH_SOFTMAX
                             convolution { window: 3 horizontal: 4 vertical: 2 dropout: 0.2 } })"},
        Explained{"Cdae", kSequencesOfUsers,
                  R"(model { name: "cdae" embedding_dim: 5 loss: IN_BATCH_SOFTMAX
                             tower { activation: TANH dropout: 0.4 } })"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_P(ExplainedModelTest, SharesAddUpToTheScoreLessTheBaselines) {
  const proto::Job job = JobOf(std::string(GetParam().data) + GetParam().text);
  const auto model = ModelOf(job);
  const Rows rows(job, model->spec());
  IntegratedGradients<double> gradients;
  gradients.Explain(rows.batch(), model.get());
  const auto scores = model->Forward(rows.batch(), Model<double>::Mode::kEvaluate);
  for (std::uint32_t r = 0; r < Rows::kRows; ++r) {
    EXPECT_EQ(gradients.scores()[r], scores[r]);
    const double expected = scores[r] - gradients.baselines()[r];
    EXPECT_NEAR(SumOfRow(gradients, rows.batch().tables.size(), r), expected, 0.01 * std::abs(expected)) << "row " << r;
  }
}

}  // namespace
}  // namespace sherd
