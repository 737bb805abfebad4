#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/dense_layout.h"
#include "base/simd.h"
#include "models/model.h"
#include "models/nn/gemm.h"
#include "tests/models/allocations.h"
#include "tests/models/named_jobs.h"
#include "tests/models/test_data.h"
#include "tests/models/testing_graph.h"

namespace sherd {
namespace {

using testing::HasSubstr;

proto::Job JobOfCase(const NamedJob& named) { return JobOf(std::string(named.data) + named.text); }

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
  const proto::Job job = JobOfCase(GetParam());
  if (job.model().loss() == proto::Model::Q_LEARNING || job.model().loss() == proto::Model::POLICY_GRADIENT) {
    GTEST_SKIP() << "item_choice_test.cc checks them part by part: they take a part of the loss as given";
  }
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
  const proto::Job job = JobOfCase(GetParam());
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
  const proto::Job job = JobOfCase(GetParam());
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
  const proto::Job job = JobOfCase(GetParam());
  const auto model = MakeTestModel<float>(job, 4);
  TestData<float> full(job, {1, 2, 3, 4}, TestData<float>::Lookups::kOne),
      empty(job, {}, TestData<float>::Lookups::kOne);
  RunStep(model.get(), &full);
  const auto result = RunStep(model.get(), &empty);
  EXPECT_EQ(result.loss, 0);
  for (const float g : result.gradients) EXPECT_EQ(g, 0);
}

TEST_P(ModelsTest, TrainingAllocatesNothing) {
  const proto::Job job = JobOfCase(GetParam());
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
  const proto::Job job = JobOfCase(GetParam());
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
  const proto::Job job = JobOfCase(GetParam());
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

// Runs again in a process without AVX-512 (CMakeLists.txt): there the products are those of FP32.
TEST(DensePrecisionTest, OfTheTowerAloneAndFp32WithoutTheInstructions) {
  const std::string rest = R"( model { name: "deepfm" embedding_dim: 5 tower { hidden: 17 hidden: 4 } })";
  const proto::Job plain_job = JobOf(kClicks + rest);
  proto::Job job = plain_job;
  job.mutable_model()->set_dense_precision(proto::Model::BF16);
  TestData<float> plain_data(plain_job, {1, 2, 3, 4, 5}, TestData<float>::Lookups::kMany);
  TestData<float> data(job, {1, 2, 3, 4, 5}, TestData<float>::Lookups::kMany);
  const auto plain = RunStep(MakeTestModel<float>(plain_job, 9).get(), &plain_data);
  const auto rounded = RunStep(MakeTestModel<float>(job, 9).get(), &data);
  EXPECT_EQ(rounded == plain, !nn::HasBf16Gemm());
  EXPECT_NEAR(rounded.loss, plain.loss, 0.05);
  for (std::size_t i = 0; i < plain.gradients.size(); ++i) EXPECT_NEAR(rounded.gradients[i], plain.gradients[i], 0.1);
}

// All tables' storage, then a table's own; what neither says is written out, so that equal storages are equal bytes.
TEST(ModelSpecTest, StorageIsWrittenOutFieldByField) {
  const std::string model = R"(model { name: "lr" storage { weights: BF16 admit_after: 3 } })";
  const std::string own = R"( table { name: "embedding" storage { admit_after: 7 } })";
  const proto::RowStorage of_all = DescribeModel(JobOf(std::string(kClicks) + model))->table(0).storage();
  EXPECT_EQ(of_all.weights(), proto::RowStorage::BF16);
  EXPECT_EQ(of_all.admit_after(), 3u);
  EXPECT_TRUE(of_all.has_max_age_seconds() && of_all.has_state() && of_all.has_at_budget());
  const proto::RowStorage here = DescribeModel(JobOf(std::string(kClicks) + model + own))->table(0).storage();
  EXPECT_EQ(here.weights(), proto::RowStorage::BF16);
  EXPECT_EQ(here.admit_after(), 7u);
  const auto bytes = [](const std::string& text) {
    return DescribeModel(JobOf(std::string(kClicks) + text))->SerializeAsString();
  };
  EXPECT_EQ(bytes(R"(model { name: "lr" })"), bytes(R"(model { name: "lr" storage { weights: FP32 use: RECENT } })"));
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

TEST(ModelTest, ATablesOwnOptimizerIsThatOfItsFirstOrderWeightsToo) {
  const auto optimizers = [](const std::string& text) {
    const proto::ModelSpec spec = DescribeModel(JobOf(std::string(kClicks) + text)).value();
    return std::make_pair(spec.table(0).segment(0).optimizer().kind_case(),
                          spec.table(1).segment(0).optimizer().kind_case());
  };
  using Kind = proto::Optimizer::KindCase;
  const std::string own = R"(table { name: "cross" optimizer { sgd { } } } )";
  EXPECT_EQ(optimizers(own + R"(model { name: "wide_deep" tower { hidden: 4 } })"),
            std::make_pair(Kind::kFtrl, Kind::kSgd));
  EXPECT_EQ(optimizers(own + R"(model { name: "lr" })"), std::make_pair(Kind::kAdagrad, Kind::kSgd));
  EXPECT_EQ(optimizers(own + R"(model { name: "wide_deep" tower { hidden: 4 } linear_optimizer { adam { } } })"),
            std::make_pair(Kind::kAdam, Kind::kAdam));
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
                "model.name: 'deepmf' is none of lr, fm, wide_deep, deepfm, nfm"},
        Refusal{kClicks, R"(model { name: "lr" tower { hidden: 3 } })", "model.tower: lr has no tower"},
        Refusal{kClicks, R"(model { name: "fm" tower { dropout: 0.5 } })", "model.tower: fm has no tower"},
        Refusal{kClicks, R"(model { name: "deepfm" })", "model.tower.hidden: deepfm needs at least one layer"},
        Refusal{kClicks, R"(model { name: "lr" cross { } })", "model.cross: lr has no cross network"},
        Refusal{kClicks, R"(model { name: "ffm" tower { hidden: 3 } })", "model.tower: ffm has no tower"},
        Refusal{kClicks, R"(model { name: "nfm" })", "model.tower.hidden: nfm needs at least one layer"},
        Refusal{R"(data { format: CRITEO_TSV } feature { column: "I1" number { } })",
                R"(model { name: "dcn" tower { hidden: 3 } })", "dcn needs a categorical or bucket feature"},
        Refusal{R"(data { format: LIBSVM } feature { column: "features" })", R"(model { name: "ffm" })",
                "ffm needs two fields or more; with LIBSVM name them by libsvm.column"},
        Refusal{kPairs, R"(model { name: "din" tower { hidden: 3 } })", "din needs two with table: \"item\""},
        Refusal{kPairs, R"(model { name: "autorec" tower { hidden: 3 } })", "data.user_item.bags: autorec needs them"},
        Refusal{kBags, R"(model { name: "autorec" })", "model.tower.hidden: autorec needs at least one layer"},
        Refusal{R"(data { format: USER_ITEM user_item { bags { of: ITEM } } } feature { column: "history" })",
                R"(model { name: "autorec" tower { hidden: 3 } })",
                "needs one of column history and one of column targets"},
        Refusal{R"(data { format: USER_ITEM user_item { bags { of: ITEM } } } feature { column: "history" }
                   feature { column: "targets" })",
                R"(model { name: "autorec" tower { hidden: 3 } })", "feature 'history': autorec takes one feature of"},
        Refusal{R"(data { format: USER_ITEM user_item { bags { of: ITEM } } } feature { column: "user" })",
                R"(model { name: "lr" })", "no column 'user'"},
        Refusal{kBags, R"(model { name: "lr" })", "lr predicts one value a row"},
        Refusal{kImages, R"(model { name: "cnn" loss: CROSS_ENTROPY image { height: 3 width: 3 filters: 2 } })",
                "model.image: 3 x 3 x 1 are 9 numbers, and the job has 16 features"},
        Refusal{kImages, R"(model { name: "cnn" loss: CROSS_ENTROPY })", "model.image: cnn needs it"},
        Refusal{
            kImages,
            R"(model { name: "cnn" loss: CROSS_ENTROPY image { height: 4 width: 4 filters: 2 filters: 2 filters: 2 } })",
            "model.image.filters: 2 over an image of 1 x 1 x 2"},
        Refusal{kClicks, R"(model { name: "cnn" loss: CROSS_ENTROPY image { height: 1 width: 2 filters: 1 } })",
                "feature: cnn takes an image's pixels"},
        Refusal{kImages, R"(model { name: "cnn" })", "model.loss: cnn is trained with CROSS_ENTROPY"},
        Refusal{kClicks, R"(model { name: "lr" loss: CROSS_ENTROPY })", "model.loss: CROSS_ENTROPY needs a model"},
        Refusal{kClicks, R"(model { name: "lr" classes: 4 })", "model.classes: goes with model.loss CROSS_ENTROPY"},
        Refusal{kClicks, R"(model { name: "lr" image { height: 1 width: 1 } })", "model.image: lr has no convolution"},
        Refusal{kSequences, R"(model { name: "lr" })", "and with data.user_item.sequences each event has one"},
        Refusal{kPairs, R"(model { name: "sasrec" loss: IN_BATCH_SOFTMAX })",
                "data.user_item.sequences: sasrec needs them"},
        Refusal{kSequences, R"(model { name: "gru4rec" loss: IN_BATCH_SOFTMAX tower { hidden: 3 } })",
                "feature 'user': gru4rec takes one of column history and one of column item, and no others"},
        Refusal{R"(data { format: USER_ITEM user_item { sequences { } } } feature { column: "item" table: "item" })",
                R"(model { name: "caser" loss: IN_BATCH_SOFTMAX })",
                "feature: caser needs one of column history and one of column item"},
        Refusal{R"(data { format: USER_ITEM user_item { sequences { } } } feature { column: "item" table: "item" }
                   feature { column: "history" table: "history" })",
                R"(model { name: "caser" loss: IN_BATCH_SOFTMAX })",
                "feature 'history': caser has the items of histories in the table of its items"},
        Refusal{kUserlessSequences, R"(model { name: "sasrec" })", "model.loss: sasrec is trained with IN_BATCH"},
        Refusal{kReversedSequences, R"(model { name: "lstm" loss: IN_BATCH_SOFTMAX tower { hidden: 3 } })",
                "data.user_item.sequences.targets: lstm is trained with NEXT"},
        Refusal{kUserlessSequences, R"(model { name: "seq2seq" loss: IN_BATCH_SOFTMAX tower { hidden: 3 } })",
                "data.user_item.sequences.targets: seq2seq is trained with REVERSED"},
        Refusal{kWords, R"(model { name: "contrast" loss: IN_BATCH_SOFTMAX })", "model.tower: contrast has no hidden"},
        Refusal{kPairs, R"(model { name: "contrast" loss: IN_BATCH_SOFTMAX tower { dropout: 0.5 } })",
                "feature: contrast takes one, with table: \"item\""},
        Refusal{kUserlessSequences, R"(model { name: "cdae" loss: IN_BATCH_SOFTMAX tower { hidden: 3 } })",
                "model.tower: cdae has one hidden layer, of model.embedding_dim units"},
        Refusal{kUserlessSequences, R"(model { name: "gru4rec" loss: IN_BATCH_SOFTMAX })", "model.tower.hidden"},
        Refusal{kUserlessSequences, R"(model { name: "sasrec" loss: IN_BATCH_SOFTMAX attention { heads: 3 } })",
                "model.attention.heads: 3 do not divide the embedding's dim of 16"},
        Refusal{kUserlessSequences, R"(model { name: "sasrec" loss: IN_BATCH_SOFTMAX convolution { } })",
                "model.convolution: sasrec has no convolution over events"},
        Refusal{kUserlessSequences, R"(model { name: "caser" loss: IN_BATCH_SOFTMAX attention { } })",
                "model.attention: caser has no self-attention"},
        Refusal{kPairs, R"(model { name: "two_tower" convolution { } })", "needs one in the table \"user\", and one"},
        Refusal{kTexts, R"(model { name: "two_tower" convolution { vertical: 3 } })", "is for caser, and not for"},
        Refusal{kClicks, R"(model { name: "gmf" })", "feature 'C1': gmf takes one feature with table: \"user\""},
        Refusal{R"(data { format: USER_ITEM } feature { column: "user" table: "user" })", R"(model { name: "gmf" })",
                "one with table: \"item\""},
        Refusal{kPairs, R"(model { name: "mlp" tower { hidden: 7 } })", "must be even; it is 7"},
        Refusal{kPairs, R"(table { name: "user" dim: 3 } model { name: "mlp" tower { hidden: 8 } })",
                "table 'user': dim can not be set"},
        Refusal{kPairs, R"(table { name: "user" dim: 3 } model { name: "gmf" })", "table 'item': dim 16 differs"},
        Refusal{kPairs, R"(model { name: "gmf" loss: IN_BATCH_SOFTMAX })",
                "needs a model whose score is a dot product"},
        Refusal{kPairs, R"(model { name: "lightgcn" tower { hidden: 3 } })", "lightgcn has no hidden layers"},
        Refusal{kHistories, R"(model { name: "lightgcn" })", "lightgcn takes one feature with table"},
        Refusal{R"(data { format: USER_ITEM } feature { column: "user" table: "item" }
                   feature { column: "item" table: "user" })",
                R"(model { name: "lightgcn" })", "takes column user in table"},
        Refusal{kPairs, R"(model { name: "gmf" graph_convolution { layers: 1 } })",
                "model.graph_convolution: is for lightgcn, and not for gmf"},
        Refusal{kPairs, R"(model { name: "gmf" bpr { hardest: true } })", "model.bpr: goes with loss BPR"},
        Refusal{kPairs, R"(model { name: "bpr_mf" })", "model.loss: bpr_mf is trained with BPR"},
        Refusal{kPairs, R"(model { name: "gmf" linear_optimizer { sgd { } } })", "gmf has no first-order weights"},
        Refusal{kPairs, R"(table { name: "user" dim: 3 } model { name: "fm" })", "table 'item': dim 16 differs"},
        Refusal{R"(data { format: CRITEO_TSV } feature { column: "I1" number { } })", R"(model { name: "fm" })",
                "fm needs a categorical or bucket feature"},
        Refusal{R"(data { format: LIBSVM } feature { column: "features" })", R"(model { name: "fm" })",
                "fm needs two fields or more; with LIBSVM name them by libsvm.column"},
        Refusal{R"(data { format: CRITEO_TSV } feature { column: "C1" } feature { column: "I1" number { } })",
                R"(model { name: "deepfm" tower { hidden: 3 } })", "deepfm needs two fields or more"},
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
