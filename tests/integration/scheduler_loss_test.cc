// The scheduler is killed, or only stopped, under mpirun, and a spare takes the job over.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <thread>
#include <vector>

#include "tests/integration/counting_job.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kRank[] = "OMPI_COMM_WORLD_RANK";
constexpr std::uint32_t kServers = 2, kWorkers = 2;
constexpr std::uint32_t kWorker0 = 1 + kServers;

// Some ranks get `signal` so many seconds after training began, or after the job had its scheduler.
struct Loss {
  bool before_training = false;
  int signal = SIGKILL;
  double after = 0.3;
  double resume_after = 0;  // SIGCONT, if not 0
  std::vector<std::uint32_t> ranks = {0};
  std::uint32_t replicas = 1;
};

bool WaitForTerm(const TestJob& test, double seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < deadline) {
    if (std::filesystem::exists(test.Path("checkpoints/scheduler/term-000001"))) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

ProcessResult RunWithLoss(TestJob* test, const Loss& loss) {
  test->job().mutable_cluster()->set_spares(1);
  test->job().mutable_cluster()->set_heartbeat_timeout(1.5);
  const std::string metrics = test->Path("metrics");
  Process process(UnderMpirun(2 + kServers + kWorkers,
                              {"train", test->Write(), "--metrics=" + metrics, "--servers=" + std::to_string(kServers),
                               "--replicas=" + std::to_string(loss.replicas)}));
  if (!(loss.before_training ? WaitForTerm(*test, 60) : WaitForEvent(metrics, "progress", 120))) {
    ADD_FAILURE() << "it did not begin: " << process.out() << process.err();
    return process.Wait(1);
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(loss.after));
  std::vector<pid_t> victims;
  for (const std::uint32_t rank : loss.ranks) {
    for (const pid_t pid : process.Descendants(kRank, std::to_string(rank))) victims.push_back(pid);
  }
  for (const pid_t pid : victims) ::kill(pid, loss.signal);
  if (loss.resume_after > 0) {
    std::this_thread::sleep_for(std::chrono::duration<double>(loss.resume_after));
    for (const pid_t pid : victims) ::kill(pid, SIGCONT);
  }
  return process.Wait(200);
}

TEST(SchedulerLossTest, ASpareTakesTheJobOverAndEachRowIsTrainedOnce) {
  CountingJob counting({.rows = 6400});
  const ProcessResult run = RunWithLoss(&counting.test(), {});
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
  const ProcessResult run = RunWithLoss(&counting.test(), {.after = 1, .ranks = {0, 2, kWorker0}, .replicas = 2});
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
      const ProcessResult run = RunWithLoss(&test, {.after = 0.1, .replicas = 2});
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
  const ProcessResult run = RunWithLoss(&counting.test(), {.signal = SIGSTOP, .resume_after = 5, .replicas = 2});
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
    const Loss loss{.before_training = before_training,
                    .after = std::uniform_real_distribution(0.0, before_training ? 1.0 : 4.0)(random),
                    .replicas = 1u + i % 4 / 2};
    const ProcessResult run = RunWithLoss(&counting.test(), loss);
    ASSERT_EQ(run.exit_code, 0) << "after " << loss.after << " s: " << run.out << run.err;
    EXPECT_THAT(run.left, IsEmpty());
    ASSERT_EQ(counting.WrongCounts(1 + i % 2), "") << "after " << loss.after << " s: " << run.out;
    const bool taken_over = run.out.find("took the job over") != std::string::npos;
    std::printf("killed after %.2f s, %u replicas%s\n", loss.after, loss.replicas, taken_over ? ": taken over" : "");
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace sherd
