// Drills by --chaos: what they break is mended, and a weight that counts has counted everything once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

#include "tests/integration/counting_job.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kDamaged[] = "messages were refused as damaged";

struct Drill {
  std::string chaos;
  std::uint64_t seed = 1;
  double seconds = 200;
};

ProcessResult RunUnderMpirun(CountingJob* counting, const Drill& drill) {
  return RunProcess(UnderMpirun(5, {"train", counting->test().Write(), "--servers=2", "--chaos=" + drill.chaos,
                                    "--chaos_seed=" + std::to_string(drill.seed)}),
                    drill.seconds);
}

TEST(ChaosTest, MessagesThatAreLostRepeatedLateAndDamagedCostNothingAndAreCounted) {
  CountingJob counting({.files = 8, .rows = 2048});
  counting.job().mutable_cluster()->set_request_timeout(6);  // asks again after half a second
  const ProcessResult run = RunUnderMpirun(&counting, {.chaos = "drop:1%,dup:2%,delay:3ms,corrupt:2%"});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.out, HasSubstr("chaos: drop 1 % of messages; repeat 2 % of messages; damage 2 % of messages; "
                                 "delay by 0.003 s 100 % of messages; seed 1"));
  EXPECT_THAT(run.err, HasSubstr(kDamaged));
  EXPECT_EQ(counting.WrongCounts(1), "");
}

TEST(ChaosTest, SoInOneProcess) {
  CountingJob counting({.files = 8, .rows = 2048});
  counting.job().mutable_cluster()->set_request_timeout(6);
  const ProcessResult run = RunProcess(
      OneProcess({"train", counting.test().Write(), "--chaos=drop:1%,dup:2%,corrupt:2%", "--workers=2"}), 100);
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.err, HasSubstr(kDamaged));
  EXPECT_EQ(counting.WrongCounts(1), "");
}

TEST(ChaosTest, AWorkerThatKillsItselfAndOneThatStopsForAWhileAreMissedByNobody) {
  CountingJob counting({.rows = 3200});
  const ProcessResult run = RunUnderMpirun(&counting, {.chaos = "kill:worker1:1s,stall:worker0:500ms:1s"});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.err, HasSubstr("worker 1 (rank 4) "));
  EXPECT_THAT(run.err, HasSubstr("this process is killed"));
  EXPECT_THAT(run.err, HasSubstr("this process is stopped for a while"));
  EXPECT_THAT(run.out, HasSubstr("the others take over its work"));
  EXPECT_EQ(counting.WrongCounts(1), "");
}

TEST(ChaosTest, ARankOfOneProcessCannotBeKilled) {
  CountingJob counting({.files = 1, .rows = 64});
  const ProcessResult run = RunProcess(OneProcess({"train", counting.test().Write(), "--chaos=kill:worker:1s"}), 20);
  EXPECT_EQ(run.exit_code, 2) << run.out << run.err;
  EXPECT_THAT(run.err, HasSubstr("a process for each"));
}

// Ten minutes of jobs, each with another seed.
TEST(Faults, TenMinutesOfLostRepeatedLateAndDamagedMessages) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(10);
  for (std::uint64_t seed = 1; std::chrono::steady_clock::now() < end; ++seed) {
    CountingJob counting({.files = 20, .rows = 6400});
    const ProcessResult run =
        RunUnderMpirun(&counting, {.chaos = "drop:1%,dup:1%,delay:20ms,corrupt:0.1%", .seed = seed, .seconds = 400});
    ASSERT_EQ(run.exit_code, 0) << "seed " << seed << ": " << run.out << run.err;
    ASSERT_THAT(run.left, IsEmpty());
    ASSERT_THAT(run.err, HasSubstr(kDamaged));
    ASSERT_EQ(counting.WrongCounts(1), "") << "seed " << seed << ": " << run.out;
    std::printf("seed %llu: %llu rows, each counted once\n", static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(counting.good_rows()));
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace sherd
