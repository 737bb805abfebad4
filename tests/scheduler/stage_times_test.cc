#include "scheduler/stage_times.h"

#include <gtest/gtest.h>

#include <limits>

namespace sherd {
namespace {

proto::StageTime Time(const std::string& name, double worked, double input, double output) {
  proto::StageTime time;
  time.set_name(name);
  time.set_threads(2);
  time.set_worked(worked);
  time.set_waited_for_input(input);
  time.set_waited_for_output(output);
  time.set_cpu(worked / 2);
  return time;
}

TEST(StageTimesTest, SharesAreOverAllWorkers) {
  StageTimes one, all;
  one.Add(std::vector{Time("read", 1, 0, 3), Time("compute", 4, 0, 0)});
  all.Add(std::vector{Time("read", 1, 2, 1), Time("idle", 0, 0, 0)});
  all.Add(one);
  const std::vector<StageReport> reports = all.Report();
  ASSERT_EQ(reports.size(), 2u) << "of what has any time";
  EXPECT_EQ(reports[0].name, "read");
  EXPECT_EQ(reports[0].threads, 2u);
  EXPECT_DOUBLE_EQ(reports[0].worked, 0.25);
  EXPECT_DOUBLE_EQ(reports[0].waited_for_input, 0.25);
  EXPECT_DOUBLE_EQ(reports[0].waited_for_output, 0.5);
  EXPECT_DOUBLE_EQ(reports[0].cpu, 0.125);
  EXPECT_EQ(reports[1].name, "compute");
  EXPECT_DOUBLE_EQ(reports[1].worked, 1);
}

TEST(StageTimesTest, NonsenseCountsNothing) {
  StageTimes times;
  times.Add(std::vector{Time("read", std::numeric_limits<double>::quiet_NaN(), 1, 1), Time("read", -1, 1, 1),
                        Time("keys", std::numeric_limits<double>::infinity(), 1, 1)});
  EXPECT_TRUE(times.Report().empty());
  for (int i = 0; i < 1000; ++i) times.Add(std::vector{Time(std::to_string(i), 1, 0, 0)});
  EXPECT_LE(times.Report().size(), 64u);
}

}  // namespace
}  // namespace sherd
