#include "tests/models/reference/sequence_models.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "base/dense_layout.h"
#include "models/model.h"
#include "tests/models/test_data.h"

namespace sherd {
namespace {

constexpr char kData[] = R"(
  data { format: USER_ITEM user_item { sequences { max_length: 5 } } }
  feature { column: "history" table: "item" }
  feature { column: "item" table: "item" })";
constexpr char kUsers[] = R"( feature { column: "user" table: "user" })";
constexpr std::uint32_t kDim = 4;

// Rows of a table that are looked up, and their gradients.
template <typename T>
struct Rows {
  Rows() = default;
  explicit Rows(const std::vector<double>& from) : values(from.begin(), from.end()), gradients(from.size(), T{1e9}) {
    for (std::size_t at = 0; at < values.size(); at += kDim) {
      rows.push_back(&values[at]);
      gradient_rows.push_back(&gradients[at]);
    }
  }
  std::vector<T> values, gradients;
  std::vector<const T*> rows;
  std::vector<T*> gradient_rows;
};

// The batch of reference/sequence_models.py.
template <typename T>
class SequenceModelsTest : public testing::Test {
 public:
  void Expect(const reference::ModelCase& expected, const std::string& job) {
    const auto model = MakeModel<T>(JobOf(job), 4).value();
    const DenseLayout layout(model->spec());
    const auto for_each_tensor = [&](std::span<T> flat, const auto& visit) {
      for (int t = 0; t < model->spec().tensor_size(); ++t) {
        const auto& tensor = model->spec().tensor(t);
        visit(tensor.name(), flat.subspan(layout.tensor_offset(t), std::size_t{tensor.rows()} * tensor.cols()));
      }
    };
    for_each_tensor(model->parameters(), [&](const std::string& name, std::span<T> to) {
      const std::vector<double>& from = expected.tensors.at(name);
      ASSERT_EQ(from.size(), to.size()) << name;
      std::copy(from.begin(), from.end(), to.begin());
    });
    Rows<T> items(expected.tensors.at("items")), users(expected.tensors.at("users"));
    Batch<T> batch = MakeBatch(&items);
    if (model->spec().table_size() == 2) {
      batch.tables.push_back(
          {.unique = users_, .offset = {}, .weight = {}, .values = users.rows, .gradients = users.gradient_rows});
    }
    ExpectNear("logits", model->Forward(batch, Model<T>::Mode::kTrain), expected.logits);
    EXPECT_NEAR(model->Loss(batch), expected.loss, sizeof(T) == 8 ? 1e-11 : 1e-4);
    model->Backward(batch);
    ExpectNear("items", items.gradients, expected.gradients.at("items"));
    if (model->spec().table_size() == 2) ExpectNear("users", users.gradients, expected.gradients.at("users"));
    for_each_tensor(model->gradients(), [&](const std::string& name, std::span<const T> gradient) {
      ExpectNear(name, gradient, expected.gradients.at(name));
    });
  }

 private:
  Batch<T> MakeBatch(Rows<T>* items) const {
    Batch<T> batch;
    batch.rows = 4;
    batch.labels = labels_;
    batch.row_ids = row_ids_;
    batch.items = names_;
    batch.log_shares = log_shares_;
    batch.tables.push_back(
        {.unique = unique_, .offset = offset_, .weight = {}, .values = items->rows, .gradients = items->gradient_rows});
    return batch;
  }

  static void ExpectNear(const std::string& what, std::span<const T> values, const std::vector<double>& expected) {
    const double tolerance = sizeof(T) == 8 ? 1e-12 : 3e-5;
    ASSERT_EQ(values.size(), expected.size()) << what;
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(values[i], expected[i], tolerance * (1 + std::abs(expected[i]))) << what << " element " << i;
    }
  }

  // Row by row the history, then what followed each of its events.
  const std::vector<std::uint32_t> unique_ = {0, 1, 2, 1, 2, 4, 3, 1, 4, 4, 5, 1, 4, 4, 5, 0, 2, 2};
  const std::vector<std::uint32_t> offset_ = {0, 3, 6, 6, 6, 11, 16, 17, 18};
  const std::vector<std::uint32_t> users_ = {1, 0, 2, 1};
  const std::vector<std::uint64_t> names_ = {1, 2, 4, 1, 4, 4, 5, 0, 2}, row_ids_ = {1, 2, 3, 4};
  const std::vector<float> labels_ = std::vector<float>(9, 1.0f);
  const std::vector<float> log_shares_ = {-2.5, -1.75, -2, -2.5, -2, -2, -1.25, -1, -1.75};
};
using Types = testing::Types<double, float>;
TYPED_TEST_SUITE(SequenceModelsTest, Types);

TYPED_TEST(SequenceModelsTest, SasRecIsThatOfPyTorch) {
  this->Expect(reference::kSasRec, std::string(kData) + R"(
      model { name: "sasrec" embedding_dim: 4 loss: IN_BATCH_SOFTMAX in_batch_softmax { temperature: 0.8 }
              attention { blocks: 1 heads: 2 } })");
}

TYPED_TEST(SequenceModelsTest, Gru4RecIsThatOfPyTorch) {
  this->Expect(reference::kGru4Rec, std::string(kData) + R"(
      model { name: "gru4rec" embedding_dim: 4 loss: IN_BATCH_SOFTMAX in_batch_softmax { temperature: 0.8 }
              tower { hidden: 3 } })");
}

TYPED_TEST(SequenceModelsTest, LstmIsThatOfPyTorch) {
  this->Expect(reference::kLstmModel, std::string(kData) + R"(
      model { name: "lstm" embedding_dim: 4 loss: IN_BATCH_SOFTMAX in_batch_softmax { temperature: 0.8 }
              tower { hidden: 3 } })");
}

TYPED_TEST(SequenceModelsTest, Seq2SeqIsThatOfPyTorch) {
  this->Expect(reference::kSeq2Seq, std::string(R"(
      data { format: USER_ITEM user_item { sequences { max_length: 5 targets: REVERSED } } }
      feature { column: "history" table: "item" } feature { column: "item" table: "item" }
      model { name: "seq2seq" embedding_dim: 4 loss: IN_BATCH_SOFTMAX in_batch_softmax { temperature: 0.8 }
              tower { hidden: 3 } })"));
}

TYPED_TEST(SequenceModelsTest, CaserIsThatOfPyTorch) {
  this->Expect(reference::kCaser, std::string(kData) + kUsers + R"(
      model { name: "caser" embedding_dim: 4 loss: IN_BATCH_SOFTMAX in_batch_softmax { temperature: 0.8 }
              convolution { window: 3 horizontal: 2 vertical: 2 } })");
}

TYPED_TEST(SequenceModelsTest, CdaeIsThatOfPyTorch) {
  this->Expect(reference::kCdae, std::string(kData) + kUsers + R"(
      model { name: "cdae" embedding_dim: 4 loss: IN_BATCH_SOFTMAX in_batch_softmax { temperature: 0.8 }
              tower { activation: TANH } })");
}

// Sequences of four, which the decoder gives back from the last to the first, after some steps of gradient descent.
TEST(SequenceModelTest, Seq2SeqLearnsToReconstruct) {
  const proto::Job job = JobOf(std::string(R"(
      data { format: USER_ITEM user_item { sequences { max_length: 4 targets: REVERSED } } }
      feature { column: "history" table: "item" } feature { column: "item" table: "item" }
      model { name: "seq2seq" embedding_dim: 4 loss: IN_BATCH_SOFTMAX tower { hidden: 12 } })"));
  const std::vector<std::vector<std::uint32_t>> sequences = {{0, 1, 2, 3}, {4, 2, 0, 5}, {3, 5, 1, 4}, {5, 3, 4, 0}};
  const auto model = MakeTestModel<double>(job, 4);
  Rows<double> items(reference::kSasRec.tensors.at("items"));
  std::vector<std::uint32_t> unique, offset = {0}, targets;
  for (const auto& sequence : sequences) {
    unique.insert(unique.end(), sequence.begin(), sequence.end());
    offset.push_back(static_cast<std::uint32_t>(unique.size()));
    unique.insert(unique.end(), sequence.rbegin(), sequence.rend());
    offset.push_back(static_cast<std::uint32_t>(unique.size()));
    targets.insert(targets.end(), sequence.rbegin(), sequence.rend());
  }
  const std::vector<float> labels(16, 1.0f), log_shares(16, -2.0f);
  const std::vector<std::uint64_t> names(targets.begin(), targets.end()), ids = {1, 2, 3, 4};
  Batch<double> batch;
  batch.rows = 4;
  batch.labels = labels;
  batch.row_ids = ids;
  batch.items = names;
  batch.log_shares = log_shares;
  batch.tables = {
      {.unique = unique, .offset = offset, .weight = {}, .values = items.rows, .gradients = items.gradient_rows}};
  const auto reconstructed = [&] {
    model->Forward(batch, Model<double>::Mode::kEvaluate);
    const nn::Matrix<double> x = model->Factors().user;
    int right = 0;
    for (std::uint32_t k = 0; k < 16; ++k) {
      std::uint32_t best = 0;
      double highest = -1e9;
      for (std::uint32_t item = 0; item < items.rows.size(); ++item) {
        double score = 0;
        for (std::uint32_t c = 0; c < kDim; ++c) score += x.data[k * x.stride + c] * items.rows[item][c];
        if (score <= highest) continue;
        highest = score;
        best = item;
      }
      right += best == targets[k] ? 1 : 0;
    }
    return right;
  };
  EXPECT_LT(reconstructed(), 8);
  const auto descend = [](std::span<double> x, std::span<const double> gradient) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= 0.05 * gradient[i];
  };
  for (int step = 0; step < 1500; ++step) {
    model->Forward(batch, Model<double>::Mode::kTrain);
    model->Loss(batch);
    model->Backward(batch);
    descend(model->parameters(), model->gradients());
    descend(items.values, items.gradients);
  }
  EXPECT_EQ(reconstructed(), 16);
}

// Of a user with no history the vector is zero, and each item's score with it.
TEST(SequenceModelTest, WithoutAHistoryAllItemsScoreAlike) {
  const proto::Job job = JobOf(std::string(kData) + R"(
      model { name: "sasrec" embedding_dim: 4 loss: IN_BATCH_SOFTMAX })");
  const auto model = MakeTestModel<float>(job, 4);
  Rows<float> items(reference::kSasRec.tensors.at("items"));
  const std::vector<std::uint32_t> unique = {3, 1, 2, 5}, offset = {0, 0, 1, 2, 3, 3, 4};
  const std::vector<float> labels(3, 0.0f);
  Batch<float> batch;
  batch.rows = 3;
  batch.labels = labels;
  batch.tables = {{.unique = unique, .offset = offset, .weight = {}, .values = items.rows, .gradients = {}}};
  const std::vector<float> scores = [&] {
    const auto logits = model->Forward(batch, Model<float>::Mode::kEvaluate);
    return std::vector<float>(logits.begin(), logits.end());
  }();
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_EQ(scores[0], 0);
  EXPECT_NE(scores[1], 0);
  EXPECT_EQ(scores[2], 0);
  const ScoreFactors<float> factors = model->Factors();
  ASSERT_EQ(factors.user.rows, 3u);
  for (std::uint32_t c = 0; c < kDim; ++c) {
    EXPECT_EQ(factors.user.data[2 * factors.user.stride + c], 0);
    EXPECT_EQ(factors.item.data[2 * factors.item.stride + c], items.values[5 * kDim + c]) << "whatever the history";
  }
}

}  // namespace
}  // namespace sherd
