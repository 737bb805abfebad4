#include <gtest/gtest.h>

#include <cmath>

#include "scheduler/epoch_judge.h"

namespace sherd {
namespace {

proto::Job JobWith(std::uint32_t patience, double factor, std::uint32_t plateau_patience) {
  proto::Job job;
  job.mutable_evaluation()->set_patience(patience);
  job.mutable_train()->mutable_learning_rate()->set_plateau_factor(factor);
  job.mutable_train()->mutable_learning_rate()->set_plateau_patience(plateau_patience);
  return job;
}

TEST(EpochJudge, StopsAfterPatienceEpochsWithoutGain) {
  const proto::Job job = JobWith(2, 1, 1);
  EpochJudge judge(job, {});
  EXPECT_TRUE(judge.Judge(1, {{"auc", 0.7}}).best);
  EXPECT_TRUE(judge.Judge(2, {{"auc", 0.8}}).best);
  EXPECT_FALSE(judge.Judge(3, {{"auc", 0.8}}).stop);  // equal is no gain
  const Verdict verdict = judge.Judge(4, {{"auc", 0.75}});
  EXPECT_FALSE(verdict.best);
  EXPECT_TRUE(verdict.stop);
  EXPECT_EQ(judge.best_epoch(), 2u);
}

TEST(EpochJudge, SmallerErrorsAreBetter) {
  proto::Job job = JobWith(0, 1, 1);
  job.mutable_model()->set_loss(proto::Model::SQUARED_ERROR);
  EpochJudge judge(job, {});
  EXPECT_TRUE(judge.Judge(1, {{"rmse", 0.9}}).best);
  EXPECT_FALSE(judge.Judge(2, {{"rmse", 0.95}}).best);
  EXPECT_TRUE(judge.Judge(3, {{"rmse", 0.8}}).best);
  job.mutable_evaluation()->set_metric(proto::Evaluation::MAE);
  EpochJudge by_mae(job, {});
  EXPECT_TRUE(by_mae.Judge(1, {{"mae", 0.7}, {"rmse", 0.9}}).best);
  EXPECT_FALSE(by_mae.Judge(2, {{"mae", 0.75}, {"rmse", 0.8}}).best);
  EXPECT_TRUE(by_mae.Judge(3, {{"mae", 0.6}, {"rmse", 0.9}}).best);
}

TEST(EpochJudge, DefaultMetricFollowsLossAndLists) {
  proto::Job job;
  EXPECT_EQ(ChooseMetric(job, {{"auc", 1}}), proto::Evaluation::AUC);
  EXPECT_EQ(ChooseMetric(job, {{"hr@10", 1}}), proto::Evaluation::HIT_RATE);
  job.mutable_evaluation()->set_at(5);
  EXPECT_EQ(ChooseMetric(job, {{"hr@10", 1}}), proto::Evaluation::AUC);
  job.mutable_model()->set_loss(proto::Model::SQUARED_ERROR);
  EXPECT_EQ(ChooseMetric(job, {}), proto::Evaluation::RMSE);
  job.mutable_evaluation()->set_metric(proto::Evaluation::LOG_LOSS);
  EXPECT_EQ(ChooseMetric(job, {{"hr@5", 1}}), proto::Evaluation::LOG_LOSS);
}

TEST(EpochJudge, PlateausLowerTheRateAgainAndAgain) {
  const proto::Job job = JobWith(0, 0.5, 2);
  EpochJudge judge(job, {});
  judge.Judge(1, {{"auc", 0.7}});
  EXPECT_FALSE(judge.Judge(2, {{"auc", 0.6}}).slower);
  EXPECT_TRUE(judge.Judge(3, {{"auc", 0.6}}).slower);
  EXPECT_DOUBLE_EQ(judge.learning_rate_scale(), 0.5);
  EXPECT_FALSE(judge.Judge(4, {{"auc", 0.6}}).slower);
  EXPECT_TRUE(judge.Judge(5, {{"auc", 0.6}}).slower);
  EXPECT_DOUBLE_EQ(judge.learning_rate_scale(), 0.25);
}

TEST(EpochJudge, AFigureThatIsNoneIsNoGain) {
  const proto::Job job = JobWith(0, 1, 1);
  EpochJudge judge(job, {});
  EXPECT_FALSE(judge.Judge(1, {{"auc", NAN}}).best);
  EXPECT_FALSE(judge.Judge(2, {}).best);
  EXPECT_EQ(judge.best_epoch(), 0u);
  EXPECT_TRUE(judge.Judge(3, {{"auc", 0.1}}).best);
}

TEST(EpochJudge, GoesOnFromItsState) {
  const proto::Job job = JobWith(3, 0.5, 2);
  const double figures[] = {0.7, 0.6, 0.65, 0.6, 0.75, 0.7, 0.7, 0.7};
  for (int interrupted = 0; interrupted < 8; ++interrupted) {
    EpochJudge straight(job, {});
    auto resumed = std::make_unique<EpochJudge>(job, proto::JobState());
    for (std::uint32_t epoch = 1; epoch <= 8; ++epoch) {
      const Metrics metrics = {{"auc", figures[epoch - 1]}};
      const Verdict a = straight.Judge(epoch, metrics), b = resumed->Judge(epoch, metrics);
      EXPECT_TRUE(a.best == b.best && a.stop == b.stop && a.slower == b.slower) << interrupted << " " << epoch;
      if (static_cast<int>(epoch) != interrupted) continue;
      proto::JobState state;
      resumed->Save(&state);
      resumed = std::make_unique<EpochJudge>(job, state);
    }
    EXPECT_EQ(straight.learning_rate_scale(), resumed->learning_rate_scale());
  }
}

}  // namespace
}  // namespace sherd
