#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Six epochs of the shipped job, as the quickstart starts it. The floors stand a little below what it reaches on a
// crowded machine (AUC .920, calibration within .05), so that a part that does not learn, or learns late, shows.
TEST(AdultIntegrationTest, WideAndDeepLearnsUnderMpirun) {
  TestJob job("adult_wide_deep");
  job.job().mutable_checkpoint()->set_dir(job.Path("checkpoints"));
  const std::string metrics = job.Path("metrics.jsonl");
  const ProcessResult run =
      RunProcess(UnderMpirun(5, {"train", job.Write(), "--servers=2", "--epochs=6", "--metrics=" + metrics}), 300);
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_GT(DoneMetric(metrics, "test", "auc"), 0.915);
  EXPECT_GT(DoneMetric(metrics, "test", "accuracy"), 0.855);
  EXPECT_LT(DoneMetric(metrics, "test", "log_loss"), 0.31);
  EXPECT_NEAR(DoneMetric(metrics, "test", "calibration"), 1, 0.15);
  EXPECT_THAT(run.out + run.err, HasSubstr(job.Path("checkpoints"))) << "says where the checkpoint is";
}

TEST(AdultIntegrationTest, DeepFmLearnsInOneProcess) {
  TestJob job("adult_deepfm");
  const std::string metrics = job.Path("metrics.jsonl");
  const ProcessResult run = RunProcess(OneProcess({"train", job.Write(), "--epochs=2", "--metrics=" + metrics}), 300);
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_GT(DoneMetric(metrics, "test", "auc"), 0.900);
}

// Four of the job's twenty epochs, with as much noise as they may have at epsilon 8, against the same without.
TEST(AdultIntegrationTest, PrivateTrainingLosesLittle) {
  TestJob job("adult_private");
  job.job().mutable_train()->set_epochs(4);
  job.job().mutable_train()->mutable_dp()->set_noise_multiplier(0.68);
  const std::string hidden = job.Path("private.jsonl"), open = job.Path("open.jsonl");
  const ProcessResult run = RunProcess(OneProcess({"train", job.Write(), "--workers=2", "--metrics=" + hidden}), 100);
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("epoch 4  privacy  epsilon 7."));
  job.job().mutable_train()->clear_dp();
  const ProcessResult without = RunProcess(OneProcess({"train", job.Write(), "--metrics=" + open}), 100);
  ASSERT_EQ(without.exit_code, 0) << without.out << without.err;
  EXPECT_GT(DoneMetric(open, "test", "auc"), 0.89);
  EXPECT_GT(DoneMetric(hidden, "test", "auc"), DoneMetric(open, "test", "auc") - 0.02);
}

// Ranking by popularity alone reaches about 0.38 here, chance 0.1.
TEST(MovielensIntegrationTest, NeuMfRanksUnderMpirun) {
  TestJob job("movielens_neumf");
  const std::string metrics = job.Path("metrics.jsonl");
  const ProcessResult run =
      RunProcess(UnderMpirun(3, {"train", job.Write(), "--epochs=8", "--metrics=" + metrics}), 300);
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_GT(DoneMetric(metrics, "test", "hr@10"), 0.40);
  EXPECT_GT(DoneMetric(metrics, "test", "ndcg@10"), 0.20);
}

}  // namespace
}  // namespace sherd
