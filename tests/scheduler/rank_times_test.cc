#include "scheduler/rank_times.h"

#include <gtest/gtest.h>

#include <limits>

namespace sherd {
namespace {

// Of a worker that trained so many rows, whose stages worked so many seconds, and whose pushes waited for two shards.
proto::Progress Report(std::uint64_t rows, double read, double exchange, double compute, double first, double second) {
  proto::Progress progress;
  progress.set_rows(rows);
  const auto add = [&](const char* name, std::uint32_t threads, double worked) {
    proto::StageTime* time = progress.add_stage();
    time->set_name(name);
    time->set_threads(threads);
    time->set_worked(worked);
  };
  add("read", 1, read);
  add("exchange", 1, exchange);
  add("compute", 2, compute);
  for (const double seconds : {first, second}) {
    proto::AnswerTime* time = progress.add_shard();
    time->set_answers(10);
    time->set_seconds(seconds);
  }
  return progress;
}

TEST(RankTimesTest, NamesWhoIsSlowAndNotWhoWaitsForIt) {
  RankTimes times;
  // All train as many rows, for they are bound to one another. Worker 1 reads slowly, worker 2 waits for shards.
  times.Add(0, Report(1000, 0.1, 0.9, 1.0, 0.01, 0.01));
  times.Add(1, Report(1000, 1.5, 0.1, 1.0, 0.01, 0.01));
  times.Add(2, Report(1000, 0.1, 5.0, 1.0, 0.01, 0.01));
  const std::vector<SlowRank> slow = times.Report();
  ASSERT_EQ(slow.size(), 1u);
  EXPECT_EQ(slow[0].name, "worker 1");
  EXPECT_DOUBLE_EQ(slow[0].times, 3);
}

TEST(RankTimesTest, NamesTheShardThatAnswersLate) {
  RankTimes one, all;
  one.Add(0, Report(1000, 0.1, 0.9, 1.0, 0.02, 0.5));
  all.Add(1, Report(1000, 0.1, 0.9, 1.0, 0.02, 0.3));
  all.Add(one);
  const std::vector<SlowRank> slow = all.Report();
  ASSERT_EQ(slow.size(), 1u);
  EXPECT_EQ(slow[0].name, "shard 1");
  EXPECT_DOUBLE_EQ(slow[0].times, 20);
}

TEST(RankTimesTest, NamesNobodyWithoutOthersOrForTrifles) {
  RankTimes alone;
  alone.Add(0, Report(10, 5, 5, 5, 0, 0));
  EXPECT_TRUE(alone.Report().empty());
  RankTimes even;
  even.Add(0, Report(1000, 0.1, 0.9, 1.0, 0.0001, 0.05));  // 5 ms an answer hinder nobody
  even.Add(1, Report(1000, 0.1, 0.9, 1.4, 0.0001, 0.05));
  even.Add(2, Report(0, 0.1, 0.9, 7, 0, 0));  // has just begun
  EXPECT_TRUE(even.Report().empty());
}

TEST(RankTimesTest, NonsenseCountsNothing) {
  RankTimes times;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  times.Add(0, Report(1000, 0.1, 0.9, 1.0, 0.01, 0.01));
  times.Add(1, Report(1000, -kInfinity, 0.9, 1.0, kInfinity, std::numeric_limits<double>::quiet_NaN()));
  times.Add(1 << 30, Report(1000, 0.1, 0.9, 100, 0.01, 0.01));
  EXPECT_TRUE(times.Report().empty());
}

}  // namespace
}  // namespace sherd
