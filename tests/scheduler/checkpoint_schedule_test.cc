#include "scheduler/checkpoint_schedule.h"

#include <gtest/gtest.h>

namespace sherd {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

CheckpointSchedule Of(std::uint64_t every_rows, double every_minutes) {
  proto::Checkpoint options;
  options.set_every_rows(every_rows);
  options.set_every_minutes(every_minutes);
  return CheckpointSchedule(options);
}

const Deadline kStart = Deadline() + std::chrono::hours(1);

TEST(CheckpointSchedule, WithoutAPeriodNoneIsDue) {
  CheckpointSchedule schedule = Of(0, 0);
  schedule.Start(5, kStart);
  EXPECT_FALSE(schedule.Due(1'000'000'000, kStart + std::chrono::hours(1000)));
}

TEST(CheckpointSchedule, ByRowsOrByMinutesWhicheverComesFirst) {
  CheckpointSchedule schedule = Of(100, 2);
  schedule.Start(50, kStart);  // goes on with so many rows
  EXPECT_FALSE(schedule.Due(149, kStart + seconds(119)));
  EXPECT_TRUE(schedule.Due(150, kStart));
  EXPECT_TRUE(schedule.Due(50, kStart + minutes(2)));
  schedule.Begin(150, kStart + minutes(1));
  EXPECT_FALSE(schedule.Due(249, kStart + seconds(179)));
  EXPECT_TRUE(schedule.Due(150, kStart + minutes(3)));
}

TEST(CheckpointSchedule, AfterAFailureSoonAndThenLessOftenUpToThePeriod) {
  CheckpointSchedule schedule = Of(0, 1);
  schedule.Start(0, kStart);
  Deadline now = kStart + minutes(1);
  for (const int wait : {10, 20, 40, 60, 60}) {
    schedule.Begin(0, now);
    schedule.Failed(now);
    EXPECT_FALSE(schedule.Due(0, now + seconds(wait - 1))) << wait;
    now += seconds(wait);
    EXPECT_TRUE(schedule.Due(0, now)) << wait;
  }
  EXPECT_EQ(schedule.failures(), 5u);
  schedule.Begin(0, now);
  schedule.Succeeded();
  EXPECT_EQ(schedule.failures(), 0u);
  EXPECT_FALSE(schedule.Due(0, now + seconds(59)));
}

TEST(CheckpointSchedule, WithoutMinutesRetriesComeEveryTenAtLeast) {
  CheckpointSchedule schedule = Of(0, 0);
  schedule.Start(0, kStart);
  for (int i = 0; i < 100; ++i) schedule.Failed(kStart);
  EXPECT_FALSE(schedule.Due(0, kStart + seconds(599)));
  EXPECT_TRUE(schedule.Due(0, kStart + seconds(600)));
}

}  // namespace
}  // namespace sherd
