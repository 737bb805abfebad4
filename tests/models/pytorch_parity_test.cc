#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/dense_layout.h"
#include "models/model.h"
#include "tests/models/reference/deepfm_tiny.h"

namespace sherd {
namespace {

constexpr int kRows = 6, kUnique = 5, kFloats = 5;

proto::Job TinyDeepFm() {
  proto::Job job;
  CHECK(google::protobuf::TextFormat::ParseFromString(R"(
    data { format: CRITEO_TSV }
    feature { column: "C1..C3" }
    feature { column: "I1..I2" number { } }
    model { name: "deepfm" embedding_dim: 4 tower { hidden: 5 hidden: 3 batch_norm: true } })",
                                                      &job));
  return job;
}

template <typename T>
class PytorchParityTest : public testing::Test {
 public:
  PytorchParityTest()
      : model_(MakeModel<T>(TinyDeepFm(), kRows).value()),
        layout_(model_->spec()),
        table_(reference::kTable.begin(), reference::kTable.end()),
        gradient_(table_.size()) {
    for (int i = 0; i < kUnique; ++i) {
      rows_.push_back(&table_[i * kFloats]);
      gradient_rows_.push_back(&gradient_[i * kFloats]);
    }
    batch_.rows = kRows;
    batch_.labels = reference::kLabels;
    batch_.weights = reference::kWeights;
    batch_.numbers = reference::kNumbers;
    batch_.tables = {
        {.unique = reference::kIndex, .offset = {}, .weight = {}, .values = rows_, .gradients = gradient_rows_}};
    ForEachTensor(model_->parameters(), [](const std::string& name, std::span<T> values) {
      const auto found = reference::kTensors.find(name);
      if (found != reference::kTensors.end()) std::copy(found->second.begin(), found->second.end(), values.begin());
    });
  }

  template <typename Function>
  void ForEachTensor(std::span<T> flat, Function f) {
    for (int t = 0; t < model_->spec().tensor_size(); ++t) {
      const auto& tensor = model_->spec().tensor(t);
      f(tensor.name(), flat.subspan(layout_.tensor_offset(t), std::size_t{tensor.rows()} * tensor.cols()));
    }
  }

  static void ExpectNear(const std::string& what, std::span<const T> values, const std::vector<double>& expected) {
    const double tolerance = sizeof(T) == 8 ? 1e-12 : 2e-5;
    ASSERT_EQ(values.size(), expected.size()) << what;
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(values[i], expected[i], tolerance * (1 + std::abs(expected[i]))) << what << " element " << i;
    }
  }

  std::unique_ptr<Model<T>> model_;
  DenseLayout layout_;
  std::vector<T> table_, gradient_;
  std::vector<const T*> rows_;
  std::vector<T*> gradient_rows_;
  Batch<T> batch_;
};

using Types = testing::Types<double, float>;
TYPED_TEST_SUITE(PytorchParityTest, Types);

TYPED_TEST(PytorchParityTest, LogitsLossAndEveryGradient) {
  const auto logits = this->model_->Forward(this->batch_, Model<TypeParam>::Mode::kTrain);
  this->ExpectNear("logits", logits, reference::kLogits);
  EXPECT_NEAR(this->model_->Loss(this->batch_), reference::kLoss, sizeof(TypeParam) == 8 ? 1e-11 : 1e-4);
  this->model_->Backward(this->batch_);
  this->ExpectNear("table", this->gradient_, reference::kTableGradient);
  int compared = 0;
  this->ForEachTensor(this->model_->gradients(), [&](const std::string& name, std::span<TypeParam> gradient) {
    if (const auto found = reference::kGradients.find(name); found != reference::kGradients.end()) {
      this->ExpectNear(name, gradient, found->second);
      ++compared;
      return;
    }
    // A running statistic: one step of the moving average from its first value, which is 0 or 1.
    const std::vector<double>& after = reference::kRunning.at(name);
    const double first = name.ends_with("variance") ? 1 : 0;
    std::vector<TypeParam> stepped;
    for (const TypeParam g : gradient) stepped.push_back(static_cast<TypeParam>(0.9 * first + 0.1 * g / kRows));
    this->ExpectNear(name, stepped, after);
    ++compared;
  });
  EXPECT_EQ(compared, 15);
}

}  // namespace
}  // namespace sherd
