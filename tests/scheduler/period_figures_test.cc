#include "scheduler/period_figures.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sherd {
namespace {

using std::chrono::minutes;

PeriodFigures::Time At(double unix_seconds) {
  return PeriodFigures::Time(
      std::chrono::duration_cast<PeriodFigures::Time::duration>(std::chrono::duration<double>(unix_seconds)));
}

// Two positives in bins 200 and 100, two negatives in bins 100 and 0.
proto::Progress FourRows() {
  proto::Progress progress;
  progress.set_rows(4);
  progress.set_loss_sum(2);
  progress.mutable_positive()->Resize(256, 0);
  progress.mutable_negative()->Resize(256, 0);
  progress.set_positive(200, 1);
  progress.set_positive(100, 1);
  progress.set_negative(100, 1);
  progress.set_negative(0, 1);
  return progress;
}

TEST(PeriodFigures, APeriodIsToldOnceItIsOver) {
  PeriodFigures figures(minutes(60));
  figures.Add(FourRows(), At(7200 + 10));
  EXPECT_FALSE(figures.Finished(At(7200 + 3599)).has_value());
  figures.Add(FourRows(), At(7200 + 3599));
  const auto report = figures.Finished(At(7200 + 3600));
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->begin, 7200);
  EXPECT_EQ(report->seconds, 3600);
  EXPECT_EQ(report->rows, 8u);
  EXPECT_EQ(report->loss, .5);
  EXPECT_EQ(report->positive_rate, .5);
  EXPECT_EQ(report->auc, .875);  // of the four kinds of pairs three are in order, and one is a tie
  EXPECT_FALSE(figures.Finished(At(7200 + 7300)).has_value());  // nothing came since
}

TEST(PeriodFigures, EachPeriodHasItsOwnRows) {
  PeriodFigures figures(minutes(1));
  figures.Add(FourRows(), At(60));
  EXPECT_EQ(figures.Finished(At(120))->rows, 4u);
  proto::Progress one;
  one.set_rows(1);
  one.set_loss_sum(.25);
  figures.Add(one, At(200));
  const auto rest = figures.Rest();
  EXPECT_EQ(rest->begin, 180);
  EXPECT_EQ(rest->loss, .25);
  EXPECT_TRUE(std::isnan(rest->auc));  // squared error has no logits
  EXPECT_FALSE(figures.Rest().has_value());
}

TEST(PeriodFigures, ReportsWithoutRowsBeginNothing) {
  PeriodFigures figures(minutes(1));
  figures.Add(proto::Progress(), At(0));
  EXPECT_FALSE(figures.Rest().has_value());
}

}  // namespace
}  // namespace sherd
