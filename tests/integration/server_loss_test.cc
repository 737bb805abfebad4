// Servers that are killed, and one that only seems dead, under mpirun, where each shard is on two of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <random>

#include "tests/integration/counting_job.h"
#include "tests/integration/disturbed_run.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint32_t kServers = 2, kWorkers = 2;
constexpr std::uint32_t kServer0 = 1;  // ranks from here on

std::vector<std::string> Flags() { return {"--servers=" + std::to_string(kServers), "--replicas=2"}; }

ProcessResult RunDisturbed(TestJob* test, const Disturbance& disturbance) {
  return RunDisturbed(test, 1 + kServers + kWorkers, Flags(), disturbance);
}

TEST(ServerLossTest, NoAcknowledgedUpdateIsLostAndNoneIsAppliedTwice) {
  CountingJob counting({.rows = 6400});
  counting.job().mutable_checkpoint()->set_every_rows(100000);
  const ProcessResult run = RunDisturbed(&counting.test(), {.ranks = {kServer0}});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.out, HasSubstr("server 0 (rank 1"));
  EXPECT_THAT(run.out, HasSubstr("1 of its shards go on at their followers"));
  EXPECT_EQ(counting.WrongCounts(1), "");
  EXPECT_EQ(AccountsOf(counting.test().Path("metrics")).trained, counting.good_rows());
}

TEST(ServerLossTest, WhoWasOnlyStoppedOwnsNothingWhenItComesBack) {
  CountingJob counting({.files = 200, .rows = 12'288});
  const ProcessResult run =
      RunDisturbed(&counting.test(), {.ranks = {kServer0 + 1}, .signal = SIGSTOP, .resume_after = 4.5});
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
    for (const pid_t pid : ProcessesOf(process, kServer0 + server)) ::kill(pid, SIGKILL);
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
      const ProcessResult run = RunDisturbed(&test, {.ranks = {kServer0}, .after = 0.1});
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
    const double after = std::uniform_real_distribution(0.0, 3.0)(random);
    const auto server = static_cast<std::uint32_t>(random() % kServers);
    const ProcessResult run = RunDisturbed(&counting.test(), {.ranks = {kServer0 + server}, .after = after});
    ASSERT_EQ(run.exit_code, 0) << "after " << after << " s: " << run.out << run.err;
    EXPECT_THAT(run.left, IsEmpty());
    ASSERT_EQ(counting.WrongCounts(1), "") << "after " << after << " s: " << run.out;
    std::printf("killed server %u after %.2f s\n", server, after);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace sherd
