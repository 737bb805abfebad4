#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/dense_layout.h"
#include "base/simd.h"
#include "models/feature_layout.h"
#include "models/model.h"
#include "tests/models/allocations.h"
#include "tests/models/testing_graph.h"

namespace sherd {
namespace {

using nn::Value;
using testing::HasSubstr;

constexpr char kClicks[] = R"(
  data { format: CRITEO_TSV }
  feature { column: "C1..C3" }
  feature { column: "I1..I2" number { } }
  feature { cross { feature: "C1" feature: "C2" } })";
constexpr char kPairs[] = R"(
  data { format: USER_ITEM }
  feature { column: "user" table: "user" }
  feature { column: "item" table: "item" })";

struct NamedJob {
  const char* name;
  const char* data;
  const char* text;
};

const NamedJob kJobs[] = {
    {"Lr", kClicks, R"(model { name: "lr" })"},
    {"LrSquaredError", kClicks, R"(model { name: "lr" loss: SQUARED_ERROR })"},
    {"Fm", kClicks, R"(model { name: "fm" embedding_dim: 5 })"},
    {"WideDeep", kClicks,
     R"(model { name: "wide_deep" embedding_dim: 5 tower { hidden: 7 hidden: 4 activation: TANH } })"},
    {"WideDeepTablesOfTwoDims", R"(data { format: CRITEO_TSV }
       feature { column: "C1" } feature { column: "C2" table: "small" } feature { column: "C3" table: "small" })",
     R"(table { name: "small" dim: 2 } model { name: "wide_deep" embedding_dim: 5 tower { hidden: 7 activation: SIGMOID } })"},
    {"WideDeepOfNumbers", R"(data { format: CRITEO_TSV } feature { column: "I1..I3" number { } })",
     R"(model { name: "wide_deep" tower { hidden: 4 activation: TANH } })"},
    {"DeepFm", kClicks, R"(model { name: "deepfm" embedding_dim: 5 tower { hidden: 7 hidden: 4 } })"},
    {"DeepFmTwoTables",
     R"(data { format: CRITEO_TSV } feature { column: "C1" table: "b" } feature { column: "C2..C3" })",
     R"(model { name: "deepfm" embedding_dim: 3 tower { hidden: 17 activation: TANH } })"},
    {"DeepFmNormAndDropout", kClicks,
     R"(model { name: "deepfm" embedding_dim: 5
                tower { hidden: 17 hidden: 4 activation: TANH batch_norm: true dropout: 0.3 } })"},
    {"Gmf", kPairs, R"(model { name: "gmf" embedding_dim: 5 })"},
    {"Mlp", kPairs, R"(model { name: "mlp" tower { hidden: 8 hidden: 6 hidden: 3 } })"},
    {"NeuMf", kPairs, R"(model { name: "neumf" embedding_dim: 5 tower { hidden: 8 hidden: 6 hidden: 3 } })"},
    {"NeuMfWithoutHiddenLayers", kPairs, R"(model { name: "neumf" embedding_dim: 3 tower { hidden: 8 } })"},
};

proto::Job JobOf(const std::string& text) {
  proto::Job job;
  CHECK(google::protobuf::TextFormat::ParseFromString(text, &job)) << text;
  return job;
}
proto::Job JobOf(const NamedJob& named) { return JobOf(std::string(named.data) + named.text); }

// Minibatches for any model, and the rows they look up, as functions of the rows' ids: with CSR offsets (0 to 2
// occurrences a field, weighted) or with exactly one.
template <typename T>
class TestData {
 public:
  enum class Lookups { kOne, kMany };
  static constexpr std::uint32_t kUnique = 7;

  TestData(const proto::Job& job, std::vector<std::uint64_t> ids, Lookups lookups) : ids_(std::move(ids)) {
    const proto::ModelSpec spec = DescribeModel(job).value();
    const FeatureLayout layout = FeatureLayout::Make(job).value();
    tables_.resize(spec.table_size());
    for (int t = 0; t < spec.table_size(); ++t) {
      FillRows(spec.table(t), t);
      FillOccurrences(static_cast<std::uint32_t>(layout.tables[t].features.size()), t, lookups);
    }
    for (const std::uint64_t id : ids_) {
      labels_.push_back(id % 3 == 0 ? 1 : 0);
      weights_.push_back(static_cast<float>(id % 4) * 0.5f + 0.25f);
      for (std::size_t n = 0; n < layout.numbers.size(); ++n) numbers_.push_back(static_cast<float>(Value(id, n)));
    }
  }

  Batch<T> batch() {
    Batch<T> batch;
    batch.rows = static_cast<std::uint32_t>(ids_.size());
    batch.labels = labels_;
    batch.weights = weights_;
    batch.numbers = numbers_;
    batch.row_ids = ids_;
    batch.epoch = 3;
    for (Table& t : tables_) {
      batch.tables.push_back({t.unique, t.offset, t.weight, {t.rows.data(), t.rows.size()}, t.gradient_rows});
    }
    return batch;
  }
  std::vector<T*> values() {
    std::vector<T*> all;
    for (Table& t : tables_) {
      for (T& v : t.values) all.push_back(&v);
    }
    return all;
  }
  std::vector<T> gradients() const {
    std::vector<T> all;
    for (const Table& t : tables_) all.insert(all.end(), t.gradients.begin(), t.gradients.end());
    return all;
  }

 private:
  struct Table {
    std::vector<T> values, gradients;
    std::vector<const T*> rows;
    std::vector<T*> gradient_rows;
    std::vector<std::uint32_t> unique, offset;
    std::vector<float> weight;
  };

  void FillRows(const proto::TableSpec& spec, int t) {
    std::uint32_t floats = 0;
    for (const auto& segment : spec.segment()) floats += segment.dim();
    Table& table = tables_[t];
    for (std::uint32_t i = 0; i < kUnique * floats; ++i) table.values.push_back(static_cast<T>(Value(50 + t, i)));
    table.gradients.assign(kUnique * floats, T{1e9});  // what an earlier minibatch left there
    for (std::uint32_t u = 0; u < kUnique; ++u) {
      table.rows.push_back(&table.values[u * floats]);
      table.gradient_rows.push_back(&table.gradients[u * floats]);
    }
  }

  void FillOccurrences(std::uint32_t fields, int t, Lookups lookups) {
    Table& table = tables_[t];
    if (lookups == Lookups::kMany) table.offset.push_back(0);
    for (const std::uint64_t id : ids_) {
      for (std::uint32_t f = 0; f < fields; ++f) {
        const std::uint64_t count = lookups == Lookups::kOne ? 1 : Mix(id, f, t) % 3;
        for (std::uint64_t i = 0; i < count; ++i) {
          table.unique.push_back(static_cast<std::uint32_t>(Mix(id, f, t, i) % (kUnique - 1)));
          if (lookups == Lookups::kMany) table.weight.push_back(static_cast<float>(Value(id, f * 10 + i)));
        }
        if (lookups == Lookups::kMany) table.offset.push_back(static_cast<std::uint32_t>(table.unique.size()));
      }
    }
  }

  std::vector<std::uint64_t> ids_;
  std::vector<float> labels_, weights_, numbers_;
  std::vector<Table> tables_;
};

template <typename T>
std::unique_ptr<Model<T>> MakeTestModel(const proto::Job& job, std::uint32_t max_rows) {
  auto model = MakeModel<T>(job, max_rows);
  CHECK(model.ok()) << model.status().text();
  for (std::size_t i = 0; i < (*model)->parameters().size(); ++i) {
    (*model)->parameters()[i] = static_cast<T>(0.5 * Value(8, i));
  }
  return std::move(model).value();
}

template <typename T>
struct StepResult {
  std::vector<T> logits, gradients, row_gradients;
  double loss;

  bool operator==(const StepResult&) const = default;
};

template <typename T>
StepResult<T> RunStep(Model<T>* model, TestData<T>* data) {
  StepResult<T> result;
  const Batch<T> batch = data->batch();
  const auto logits = model->Forward(batch, Model<T>::Mode::kTrain);
  result.logits.assign(logits.begin(), logits.end());
  result.loss = model->Loss(batch);
  model->Backward(batch);
  result.gradients.assign(model->gradients().begin(), model->gradients().end());
  result.row_gradients = data->gradients();
  return result;
}

class ModelsTest : public testing::TestWithParam<NamedJob> {};
INSTANTIATE_TEST_SUITE_P(All, ModelsTest, testing::ValuesIn(kJobs),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(ModelsTest, GradientsOfAllParametersAndRows) {
  const proto::Job job = JobOf(GetParam());
  for (const auto lookups : {TestData<double>::Lookups::kOne, TestData<double>::Lookups::kMany}) {
    TestData<double> data(job, {1, 2, 3, 4, 5, 6, 7}, lookups);
    const auto model = MakeTestModel<double>(job, 9);
    RunStep(model.get(), &data);
    const Batch<double> batch = data.batch();
    std::vector<double*> x = data.values();
    std::vector<double> gradients = data.gradients();
    const DenseLayout layout(model->spec());
    for (int t = 0; t < model->spec().tensor_size(); ++t) {
      const proto::TensorSpec& tensor = model->spec().tensor(t);
      if (tensor.optimizer().has_moving_average()) continue;
      for (std::size_t i = 0; i < std::size_t{tensor.rows()} * tensor.cols(); ++i) {
        x.push_back(&model->parameters()[layout.tensor_offset(t) + i]);
        gradients.push_back(model->gradients()[layout.tensor_offset(t) + i]);
      }
    }
    const auto loss = [&] {
      model->Forward(batch, Model<double>::Mode::kTrain);
      return model->Loss(batch);
    };
    nn::CheckGradients("model", x, gradients, loss, 1e-7);
    EXPECT_NE(std::count_if(gradients.begin(), gradients.end(), [](double g) { return g != 0; }), 0);
  }
}

TEST_P(ModelsTest, FloatAgreesWithDouble) {
  const proto::Job job = JobOf(GetParam());
  TestData<float> narrow(job, {1, 2, 3, 4, 5, 6, 7}, TestData<float>::Lookups::kMany);
  TestData<double> wide(job, {1, 2, 3, 4, 5, 6, 7}, TestData<double>::Lookups::kMany);
  const auto a = RunStep(MakeTestModel<float>(job, 9).get(), &narrow);
  const auto b = RunStep(MakeTestModel<double>(job, 9).get(), &wide);
  EXPECT_NEAR(a.loss, b.loss, 1e-4);
  for (std::size_t i = 0; i < a.logits.size(); ++i) EXPECT_NEAR(a.logits[i], b.logits[i], 1e-4);
  for (std::size_t i = 0; i < a.gradients.size(); ++i) EXPECT_NEAR(a.gradients[i], b.gradients[i], 2e-3) << i;
  for (std::size_t i = 0; i < a.row_gradients.size(); ++i)
    EXPECT_NEAR(a.row_gradients[i], b.row_gradients[i], 2e-3) << i;
}

TEST_P(ModelsTest, BatchesOfAnySizeLeaveNothingBehind) {
  const proto::Job job = JobOf(GetParam());
  using Data = TestData<float>;
  const auto used = MakeTestModel<float>(job, 20);
  for (const std::vector<std::uint64_t>& ids :
       std::vector<std::vector<std::uint64_t>>{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20},
                                               {4, 5},
                                               {9},
                                               {1, 2, 3, 4, 5, 6, 7, 8, 9}}) {
    Data data(job, ids, Data::Lookups::kMany), fresh_data(job, ids, Data::Lookups::kMany);
    const auto fresh = MakeTestModel<float>(job, static_cast<std::uint32_t>(ids.size()));
    EXPECT_EQ(RunStep(used.get(), &data), RunStep(fresh.get(), &fresh_data)) << ids.size() << " rows";
  }
}

TEST_P(ModelsTest, AnEmptyBatchHasNoGradient) {
  const proto::Job job = JobOf(GetParam());
  const auto model = MakeTestModel<float>(job, 4);
  TestData<float> full(job, {1, 2, 3, 4}, TestData<float>::Lookups::kOne),
      empty(job, {}, TestData<float>::Lookups::kOne);
  RunStep(model.get(), &full);
  const auto result = RunStep(model.get(), &empty);
  EXPECT_EQ(result.loss, 0);
  for (const float g : result.gradients) EXPECT_EQ(g, 0);
}

TEST_P(ModelsTest, TrainingAllocatesNothing) {
  const proto::Job job = JobOf(GetParam());
  TestData<float> data(job, {1, 2, 3, 4, 5, 6, 7}, TestData<float>::Lookups::kMany);
  const auto model = MakeTestModel<float>(job, 9);
  RunStep(model.get(), &data);
  const Batch<float> batch = data.batch();
  const long before = Allocations();
  model->Forward(batch, Model<float>::Mode::kTrain);
  model->Loss(batch);
  model->Backward(batch);
  model->Forward(batch, Model<float>::Mode::kEvaluate);
  EXPECT_EQ(Allocations() - before, 0);
}

TEST_P(ModelsTest, DescribesItselfAsItIsBuilt) {
  const proto::Job job = JobOf(GetParam());
  const proto::ModelSpec spec = DescribeModel(job).value();
  const auto model = MakeTestModel<float>(job, 3);
  EXPECT_EQ(spec.SerializeAsString(), model->spec().SerializeAsString());
  EXPECT_EQ(model->parameters().size(), DenseLayout(spec).size());
  EXPECT_EQ(model->gradients().size(), DenseLayout(spec).size());
  for (const auto& table : spec.table()) {
    ASSERT_GT(table.segment_size(), 0) << table.name();
    for (const auto& s : table.segment()) EXPECT_NE(s.optimizer().kind_case(), proto::Optimizer::KIND_NOT_SET);
  }
  for (const auto& tensor : spec.tensor()) {
    EXPECT_NE(tensor.optimizer().kind_case(), proto::Optimizer::KIND_NOT_SET) << tensor.name();
  }
}

TEST_P(ModelsTest, EachSimdTargetAgreesWithTheOthersAndExactlyWithItself) {
  const proto::Job job = JobOf(GetParam());
  const std::string best = BestSimd();
  TestData<double> wide(job, {1, 2, 3, 4, 5, 6, 7}, TestData<double>::Lookups::kMany);
  const auto expected = RunStep(MakeTestModel<double>(job, 9).get(), &wide);
  for (const char* target : {"sse4", "avx2", "avx512"}) {
    if (!UseSimd(target).ok()) continue;
    TestData<float> data(job, {1, 2, 3, 4, 5, 6, 7}, TestData<float>::Lookups::kMany);
    const auto result = RunStep(MakeTestModel<float>(job, 9).get(), &data);
    EXPECT_EQ(result, RunStep(MakeTestModel<float>(job, 9).get(), &data)) << target;
    EXPECT_NEAR(result.loss, expected.loss, 1e-4) << target;
    for (std::size_t i = 0; i < result.gradients.size(); ++i)
      EXPECT_NEAR(result.gradients[i], expected.gradients[i], 2e-3);
  }
  ASSERT_TRUE(UseSimd(best).ok());
}

TEST(ModelTest, DropoutOfARowDoesNotDependOnItsBatch) {
  const proto::Job job = JobOf(std::string(kClicks) + R"(model { name: "deepfm" tower { hidden: 40 dropout: 0.5 } })");
  const auto model = MakeTestModel<double>(job, 4);
  TestData<double> together(job, {8, 3, 5}, TestData<double>::Lookups::kOne),
      alone(job, {5}, TestData<double>::Lookups::kOne);
  const double a = RunStep(model.get(), &together).logits[2];
  EXPECT_EQ(RunStep(model.get(), &alone).logits[0], a);
  const Batch<double> batch = alone.batch();
  EXPECT_NE(model->Forward(batch, Model<double>::Mode::kEvaluate)[0], a) << "nothing is dropped in evaluation";
}

TEST(ModelTest, NonFiniteLayerIsNamed) {
  const proto::Job job = JobOf(std::string(kClicks) + R"(model { name: "deepfm" tower { hidden: 4 hidden: 3 } })");
  const auto model = MakeTestModel<float>(job, 4);
  TestData<float> data(job, {8, 3, 5}, TestData<float>::Lookups::kOne);
  RunStep(model.get(), &data);
  EXPECT_EQ(model->FindNonFinite(), "");
  const DenseLayout layout(model->spec());
  int second = 0;
  while (model->spec().tensor(second).name() != "tower.1.weight") ++second;
  float& weight = model->parameters()[layout.tensor_offset(second)];
  const float healthy = std::exchange(weight, std::nanf(""));
  RunStep(model.get(), &data);
  EXPECT_EQ(model->FindNonFinite(), "tower.1 (its parameters)");
  weight = healthy;
  *data.values()[1] = std::numeric_limits<float>::infinity();  // the first factor of a row that is looked up
  RunStep(model.get(), &data);
  EXPECT_EQ(model->FindNonFinite(), "embedding.factors");
}

TEST(ModelTest, SegmentsFollowTheJob) {
  const proto::ModelSpec wide_deep = DescribeModel(JobOf(std::string(kClicks) + R"(
      model { name: "wide_deep" embedding_dim: 6 tower { hidden: 4 l2: 0.5 } embedding_optimizer { adam { } } })"))
                                         .value();
  ASSERT_EQ(wide_deep.table_size(), 2);
  ASSERT_EQ(wide_deep.table(0).segment_size(), 2);
  EXPECT_EQ(wide_deep.table(0).segment(0).name(), "wide");
  EXPECT_EQ(wide_deep.table(0).segment(0).dim(), 1u);
  EXPECT_TRUE(wide_deep.table(0).segment(0).optimizer().has_ftrl());
  EXPECT_EQ(wide_deep.table(0).segment(0).initializer().kind(), proto::Initializer::ZERO);
  EXPECT_EQ(wide_deep.table(0).segment(1).dim(), 6u);
  EXPECT_TRUE(wide_deep.table(0).segment(1).optimizer().has_adam());
  EXPECT_EQ(wide_deep.table(1).segment_size(), 1) << "crosses are wide only";
  for (const auto& tensor : wide_deep.tensor()) {
    const bool decays = tensor.name() == "tower.0.weight" || tensor.name() == "deep_output.weight";
    EXPECT_EQ(tensor.optimizer().l2(), decays ? 0.5 : 0) << tensor.name();
  }
  const proto::ModelSpec neumf = DescribeModel(JobOf(std::string(kPairs) + R"(
      model { name: "neumf" embedding_dim: 8 tower { hidden: 64 hidden: 32 } })"))
                                     .value();
  ASSERT_EQ(neumf.table_size(), 2);
  EXPECT_EQ(neumf.table(0).name(), "user");
  EXPECT_EQ(neumf.table(0).segment(0).dim(), 8u);
  EXPECT_EQ(neumf.table(0).segment(1).dim(), 32u) << "half of the tower's width";
  EXPECT_EQ(neumf.tensor(0).name(), "tower.0.weight");
  EXPECT_EQ(neumf.tensor(0).rows(), 64u);
  EXPECT_EQ(neumf.tensor(0).cols(), 32u);
}

// What the models compute, written out on single rows with one occurrence a field.
class FormulaTest : public testing::Test {
 public:
  void Run(const std::string& text) {
    job_ = JobOf(text);
    data_ =
        std::make_unique<TestData<double>>(job_, std::vector<std::uint64_t>{4, 5, 6}, TestData<double>::Lookups::kOne);
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

TEST_F(FormulaTest, Gmf) {
  Run(std::string(kPairs) + R"(model { name: "gmf" embedding_dim: 4 })");
  for (int r = 0; r < 3; ++r) {
    double z = Weight("output.bias");
    for (int d = 0; d < 4; ++d) z += Row(0, r, 1)[d] * Row(1, r, 1)[d] * Weight("fusion.weight", d);
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

struct Refusal {
  const char* data;
  const char* text;
  const char* error;
};

class RefusalTest : public testing::TestWithParam<Refusal> {};
INSTANTIATE_TEST_SUITE_P(
    Models, RefusalTest,
    testing::Values(
        Refusal{kClicks, R"(model { name: "deepmf" })",
                "model.name: 'deepmf' is none of lr, fm, wide_deep, deepfm, gmf"},
        Refusal{kClicks, R"(model { name: "lr" tower { hidden: 3 } })", "model.tower.hidden: lr has no tower"},
        Refusal{kClicks, R"(model { name: "deepfm" })", "model.tower.hidden: deepfm needs at least one layer"},
        Refusal{kClicks, R"(model { name: "gmf" })", "feature 'C1': gmf takes one feature with table: \"user\""},
        Refusal{R"(data { format: USER_ITEM } feature { column: "user" table: "user" })", R"(model { name: "gmf" })",
                "one with table: \"item\""},
        Refusal{kPairs, R"(model { name: "mlp" tower { hidden: 7 } })", "must be even; it is 7"},
        Refusal{kPairs, R"(table { name: "user" dim: 3 } model { name: "mlp" tower { hidden: 8 } })",
                "table 'user': dim can not be set"},
        Refusal{kPairs, R"(table { name: "user" dim: 3 } model { name: "gmf" })", "table 'item': dim 16 differs"},
        Refusal{kPairs, R"(model { name: "gmf" linear_optimizer { sgd { } } })", "gmf has no first-order weights"},
        Refusal{kPairs, R"(table { name: "user" dim: 3 } model { name: "fm" })", "table 'item': dim 16 differs"},
        Refusal{R"(data { format: CRITEO_TSV } feature { column: "I1" number { } })", R"(model { name: "fm" })",
                "fm needs a categorical or bucket feature"},
        Refusal{kClicks, R"(table { name: "nothing" } model { name: "lr" })", "table 'nothing': no feature"},
        Refusal{kClicks, R"(table { name: "cross" } table { name: "cross" } model { name: "lr" })", "stands twice"},
        Refusal{kClicks, R"(model { name: "lr" linear_optimizer { moving_average { } } })",
                "model.linear_optimizer: moving"},
        Refusal{kClicks, R"(table { name: "cross" optimizer { moving_average { } } } model { name: "lr" })",
                "'cross': moving"},
        Refusal{kClicks, R"(model { name: "deepfm" tower { hidden: 65536 hidden: 65536 } })",
                "model.tower.hidden: 4298440707 weights"}));

TEST_P(RefusalTest, NamesTheFieldAndTheFault) {
  const proto::Job job = JobOf(std::string(GetParam().data) + GetParam().text);
  const auto spec = DescribeModel(job);
  ASSERT_FALSE(spec.ok());
  EXPECT_THAT(spec.status().text(), HasSubstr(GetParam().error));
  const auto model = MakeModel<float>(job, 8);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.status().text(), spec.status().text());
}

TEST(ModelTest, ABatchTooLargeForAnyMemoryIsRefused) {
  const proto::Job job = JobOf(std::string(kClicks) + R"(model { name: "deepfm" tower { hidden: 60000 } })");
  const auto model = MakeModel<float>(job, 1048576);
  ASSERT_FALSE(model.ok());
  EXPECT_THAT(model.status().text(), HasSubstr("train.batch_size"));
}

}  // namespace
}  // namespace sherd
