#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using ::testing::IsEmpty;

// A model trained once for all tests of this file.
class PredictTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    test_ = new TestJob("adult_wide_deep");
    test_->job().mutable_checkpoint()->set_dir(test_->Path("checkpoints"));
    // Its numbers come out of the checkpoint: whoever hashed the tokens in their place would find other rows.
    for (proto::Feature& feature : *test_->job().mutable_feature()) {
      if (feature.column() == "occupation") feature.mutable_categorical()->mutable_vocabulary()->set_min_count(1000);
    }
    file_ = test_->Write();
    metrics_ = test_->Path("train.jsonl");
    const ProcessResult run =
        RunProcess(UnderMpirun(5, {"train", file_, "--servers=2", "--epochs=1", "--metrics=" + metrics_}), 200);
    ASSERT_EQ(run.exit_code, 0) << run.err;
  }
  static void TearDownTestSuite() { delete test_; }

  static std::vector<std::string> Arguments(const std::string& command, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {command, file_};  // the job file names the folder of its checkpoints
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  static inline TestJob* test_ = nullptr;
  static inline std::string file_, metrics_;
};

TEST_F(PredictTest, EvalGivesTheFiguresOfTheTrainingRunOnAnyNumberOfRanks) {
  const double auc = DoneMetric(metrics_, "test", "auc"), log_loss = DoneMetric(metrics_, "test", "log_loss");
  ASSERT_GT(auc, 0.88);
  int runs = 0;
  for (const int ranks : {0, 3, 5}) {
    const std::string metrics = test_->Path("eval" + std::to_string(ranks) + ".jsonl");
    const std::vector<std::string> arguments = Arguments("eval", {"--metrics=" + metrics});
    const ProcessResult run = RunProcess(ranks == 0 ? OneProcess(arguments) : UnderMpirun(ranks, arguments), 120);
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_THAT(run.left, IsEmpty());
    EXPECT_NEAR(DoneMetric(metrics, "test", "auc"), auc, 1e-6) << ranks;
    EXPECT_NEAR(DoneMetric(metrics, "test", "log_loss"), log_loss, 1e-6) << ranks;
    ++runs;
  }
  EXPECT_EQ(runs, 3);
}

// The share of (positive, negative) pairs in the right order, ties by half: the definition, in n^2.
double AucByPairs(const std::vector<double>& positive, const std::vector<double>& negative) {
  double right = 0;
  for (const double p : positive) {
    for (const double n : negative) right += p > n ? 1 : p == n ? 0.5 : 0;
  }
  return right / (static_cast<double>(positive.size()) * static_cast<double>(negative.size()));
}

TEST_F(PredictTest, WritesALineForEachRowInOrderAndAnEmptyOneForABadRow) {
  // The first line of the official file is a comment, which is no row; bad rows are put in at known places.
  const std::vector<std::string> source =
      Lines(ReadOrDie(std::string(SHERD_SOURCE_DIR) + "/tests/data/adult/adult.test"));
  std::vector<std::string> rows(source.begin() + 1, source.begin() + 4001);
  rows[7] = "bad, Private, 1, HS-grad, 9, Divorced, Sales, Husband, White, Male, 0, 0, 40, Cuba, <=50K.";
  rows[3998] = "1, 2, 3";
  std::string text = source[0] + "\n";
  for (const std::string& row : rows) text += row + "\n";
  WriteOrDie(test_->Path("rows.test"), text);

  std::vector<std::vector<std::string>> outputs;
  for (const int ranks : {0, 3, 5}) {
    const std::string out = test_->Path("predictions" + std::to_string(ranks));
    const std::vector<std::string> arguments =
        Arguments("predict", {"--input=" + test_->Path("rows.test"), "--output=" + out});
    const ProcessResult run = RunProcess(ranks == 0 ? OneProcess(arguments) : UnderMpirun(ranks, arguments), 120);
    ASSERT_EQ(run.exit_code, 0) << run.err;
    outputs.push_back(Lines(ReadOrDie(out)));
    ASSERT_EQ(outputs.back().size(), rows.size());
  }
  std::vector<double> positive, negative;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool bad = i == 7 || i == 3998;
    for (const auto& output : outputs) {
      ASSERT_EQ(output[i].empty(), bad) << "row " << i;
      if (!bad) {
        EXPECT_NEAR(std::atof(output[i].c_str()), std::atof(outputs[0][i].c_str()), 1e-5) << "row " << i;
      }
    }
    const double prediction = std::atof(outputs[0][i].c_str());
    if (bad) continue;
    ASSERT_GT(prediction, 0);
    ASSERT_LT(prediction, 1);
    (rows[i].ends_with(">50K.") ? positive : negative).push_back(prediction);
  }
  // In another order than the rows', this would be near a half.
  EXPECT_GT(AucByPairs(positive, negative), 0.88);
}

}  // namespace
}  // namespace sherd
