// Servers that are killed, and one that only seems dead, under mpirun, where each shard is on two of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include "tests/integration/counting_job.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kRank[] = "OMPI_COMM_WORLD_RANK";
constexpr std::uint32_t kServers = 2, kWorkers = 2;

// One rank gets `signal` so many seconds after training began.
struct Loss {
  int signal = SIGKILL;
  double after = 0.3;
  double resume_after = 0;  // SIGCONT, if not 0
  std::uint32_t server = 0;
};

ProcessResult RunWithLoss(TestJob* test, const Loss& loss) {
  const std::string metrics = test->Path("metrics");
  Process process(UnderMpirun(1 + kServers + kWorkers, {"train", test->Write(), "--metrics=" + metrics,
                                                        "--servers=" + std::to_string(kServers), "--replicas=2"}));
  if (!WaitForEvent(metrics, "progress", 120)) {
    ADD_FAILURE() << "it did not begin: " << process.out() << process.err();
    return process.Wait(1);
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(loss.after));
  const auto victim = process.Descendants(kRank, std::to_string(1 + loss.server));
  EXPECT_THAT(victim, SizeIs(1)) << process.out() << process.err();
  for (const pid_t pid : victim) ::kill(pid, loss.signal);
  if (loss.resume_after > 0) {
    std::this_thread::sleep_for(std::chrono::duration<double>(loss.resume_after));
    for (const pid_t pid : victim) ::kill(pid, SIGCONT);
  }
  return process.Wait(200);
}

TEST(ServerLossTest, NoAcknowledgedUpdateIsLostAndNoneIsAppliedTwice) {
  CountingJob counting({.rows = 6400});
  counting.job().mutable_checkpoint()->set_every_rows(100000);
  const ProcessResult run = RunWithLoss(&counting.test(), {});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.out, HasSubstr("server 0 (rank 1"));
  EXPECT_THAT(run.out, HasSubstr("1 of its shards go on at their followers"));
  EXPECT_EQ(counting.WrongCounts(1), "");
  EXPECT_EQ(AccountsOf(counting.test().Path("metrics")).trained, counting.good_rows());
}

TEST(ServerLossTest, WhoWasOnlyStoppedOwnsNothingWhenItComesBack) {
  CountingJob counting({.files = 200, .rows = 12'288});
  const ProcessResult run = RunWithLoss(&counting.test(), {.signal = SIGSTOP, .resume_after = 4.5, .server = 1});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.err, HasSubstr("taken for lost"));
  EXPECT_EQ(counting.WrongCounts(1), "");
}

// Followers come anew, on the spare, while training goes on: so one server after the other may be lost.
TEST(ServerLossTest, WithASpareTheOtherServerMayBeLostToo) {
  CountingJob counting({.files = 200, .rows = 12'288});
  TestJob& test = counting.test();
  counting.job().mutable_cluster()->set_heartbeat_timeout(1.5);
  counting.job().mutable_cluster()->set_spares(1);
  const std::string metrics = test.Path("metrics");
  Process process(UnderMpirun(2 + kServers + kWorkers, {"train", test.Write(), "--metrics=" + metrics,
                                                        "--servers=" + std::to_string(kServers), "--replicas=2"}));
  ASSERT_TRUE(WaitForEvent(metrics, "progress", 120)) << process.out() << process.err();
  const auto kill_server = [&](std::uint32_t server) {
    for (const pid_t pid : process.Descendants(kRank, std::to_string(1 + server))) ::kill(pid, SIGKILL);
  };
  kill_server(0);
  for (const char* shard : {"shard 0", "shard 1"}) {
    const std::string text = std::string(shard) + " has a follower again, on spare 0";
    ASSERT_TRUE(process.WaitForOutput(text, 60)) << process.out() << process.err();
  }
  kill_server(1);
  const ProcessResult run = process.Wait(200);
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_EQ(counting.WrongCounts(1), "");
  EXPECT_FALSE(std::filesystem::exists(test.Path("checkpoints/followers")));
}

// Replication changes no bit, nor does the loss of a server.
TEST(ServerLossTest, InBspTheBitsAreThoseOfAnUndisturbedRunWithoutReplicas) {
  const auto contents = [](bool disturbed) {
    TestJob test("adult_deepfm");
    proto::Job& job = test.job();
    job.mutable_train()->set_consistency(proto::Train::BSP);
    job.mutable_train()->set_max_in_flight(1);
    job.mutable_train()->set_batch_size(64);
    job.mutable_train()->set_epochs(4);
    job.mutable_checkpoint()->set_dir(test.Path("checkpoints"));
    if (disturbed) {
      const ProcessResult run = RunWithLoss(&test, {.after = 0.1});
      EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
      EXPECT_THAT(run.out, HasSubstr("lost (no heartbeat"));
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

TEST(Faults, ServersKilledAtManyMoments) {
  std::mt19937 random(5);
  for (int i = 0; i < 50; ++i) {
    CountingJob counting({.rows = 6400});
    counting.job().mutable_checkpoint()->set_every_rows(100000);
    const Loss loss{.after = std::uniform_real_distribution(0.0, 3.0)(random),
                    .server = static_cast<std::uint32_t>(random() % kServers)};
    const ProcessResult run = RunWithLoss(&counting.test(), loss);
    ASSERT_EQ(run.exit_code, 0) << "after " << loss.after << " s: " << run.out << run.err;
    EXPECT_THAT(run.left, IsEmpty());
    ASSERT_EQ(counting.WrongCounts(1), "") << "after " << loss.after << " s: " << run.out;
    std::printf("killed server %u after %.2f s\n", loss.server, loss.after);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace sherd
