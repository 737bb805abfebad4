// The scheduler is killed, or only stopped, under mpirun, and a spare takes the job over.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include "tests/integration/counting_job.h"
#include "tests/integration/disturbed_run.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint32_t kServers = 2, kWorkers = 2;
constexpr std::uint32_t kWorker0 = 1 + kServers;

bool WaitForTerm(const TestJob& test, double seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < deadline) {
    if (std::filesystem::exists(test.Path("checkpoints/scheduler/term-000001"))) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

// With one spare.
ProcessResult RunDisturbed(TestJob* test, std::uint32_t replicas, const Disturbance& disturbance) {
  test->job().mutable_cluster()->set_spares(1);
  test->job().mutable_cluster()->set_heartbeat_timeout(1.5);
  return RunDisturbed(test, 2 + kServers + kWorkers,
                      {"--servers=" + std::to_string(kServers), "--replicas=" + std::to_string(replicas)}, disturbance);
}

TEST(SchedulerLossTest, ASpareTakesTheJobOverAndEachRowIsTrainedOnce) {
  CountingJob counting({.rows = 6400});
  const ProcessResult run = RunDisturbed(&counting.test(), 1, {.ranks = {0}});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.out, HasSubstr("took the job over in epoch 1"));
  EXPECT_EQ(counting.WrongCounts(1), "");
  const EpochAccounts accounts = AccountsOf(counting.test().Path("metrics"));
  EXPECT_EQ(accounts.trained, counting.good_rows());
  EXPECT_FALSE(std::filesystem::exists(counting.test().Path("checkpoints/scheduler")));
}

// What the worker had done is known to the shards, and to the scheduler that is gone.
TEST(SchedulerLossTest, SoItIsWhenAWorkerAndAServerAreLostInTheSameMoment) {
  CountingJob counting({.rows = 6400});
  const ProcessResult run = RunDisturbed(&counting.test(), 2, {.ranks = {0, 2, kWorker0}, .after = 1});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_EQ(counting.WrongCounts(1), "");
  EXPECT_EQ(AccountsOf(counting.test().Path("metrics")).trained, counting.good_rows());
}

TEST(SchedulerLossTest, InBspTheBitsAreThoseOfAnUndisturbedRun) {
  const auto contents = [](bool disturbed) {
    TestJob test("adult_deepfm");
    proto::Job& job = test.job();
    job.mutable_train()->set_consistency(proto::Train::BSP);
    job.mutable_train()->set_max_in_flight(1);
    job.mutable_train()->set_batch_size(64);
    job.mutable_train()->set_epochs(3);
    job.mutable_checkpoint()->set_dir(test.Path("checkpoints"));
    if (disturbed) {
      const ProcessResult run = RunDisturbed(&test, 2, {.ranks = {0}, .after = 0.1});
      EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
      EXPECT_THAT(run.out, HasSubstr("took the job over"));
    } else {
      job.mutable_cluster()->set_workers(kWorkers);
      const ProcessResult run = RunProcess(OneProcess({"train", test.Write()}), 200);
      EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
    }
    return CheckpointContents(test.Path("checkpoints"));
  };
  const std::string undisturbed = contents(false);
  ASSERT_GT(Lines(undisturbed).size(), 100);
  EXPECT_TRUE(contents(true) == undisturbed);
}

TEST(Faults, ASchedulerThatWasOnlyStoppedActsNoMore) {
  CountingJob counting({.files = 200, .rows = 12'288});
  counting.job().mutable_checkpoint()->set_every_rows(100'000);
  const ProcessResult run = RunDisturbed(&counting.test(), 2, {.ranks = {0}, .signal = SIGSTOP, .resume_after = 5});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.err, HasSubstr("another scheduler has taken the job over"));
  EXPECT_EQ(counting.WrongCounts(1), "");
}

TEST(Faults, SchedulersKilledAtManyMoments) {
  std::mt19937 random(7);
  for (int i = 0; i < 50; ++i) {
    CountingJob counting({.rows = 6400});
    counting.job().mutable_checkpoint()->set_every_rows(100'000);
    counting.job().mutable_train()->set_epochs(1 + i % 2);
    const bool before_training = i % 10 == 9;
    const std::uint32_t replicas = 1u + i % 4 / 2;
    const double after = std::uniform_real_distribution(0.0, before_training ? 1.0 : 4.0)(random);
    Disturbance loss{.ranks = {0}, .after = after};
    if (before_training) loss.begun = [&] { return WaitForTerm(counting.test(), 60); };
    const ProcessResult run = RunDisturbed(&counting.test(), replicas, loss);
    ASSERT_EQ(run.exit_code, 0) << "after " << after << " s: " << run.out << run.err;
    EXPECT_THAT(run.left, IsEmpty());
    ASSERT_EQ(counting.WrongCounts(1 + i % 2), "") << "after " << after << " s: " << run.out;
    const bool taken_over = run.out.find("took the job over") != std::string::npos;
    std::printf("killed after %.2f s, %u replicas%s\n", after, replicas, taken_over ? ": taken over" : "");
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace sherd
