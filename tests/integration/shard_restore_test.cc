// Servers that are killed under mpirun where nobody else has their shards: these go back to the last checkpoint, on a
// spare, while training goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <random>
#include <thread>

#include "tests/integration/counting_job.h"
#include "tests/integration/disturbed_run.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint32_t kServers = 2, kWorkers = 2;
constexpr std::uint32_t kServer0 = 1, kWorker0 = kServer0 + kServers;

std::unique_ptr<CountingJob> Counting(std::uint32_t spares) {
  auto counting = std::make_unique<CountingJob>(CountingJob::Shape{.rows = 6400});
  proto::Job& job = counting->job();
  job.mutable_cluster()->set_spares(spares);
  job.mutable_cluster()->set_heartbeat_timeout(1.5);
  job.mutable_checkpoint()->set_every_rows(50'000);
  return counting;
}

ProcessResult RunDisturbed(CountingJob* counting, const Disturbance& disturbance) {
  const std::uint32_t ranks = 1 + kServers + kWorkers + counting->job().cluster().spares();
  return RunDisturbed(&counting->test(), static_cast<int>(ranks), {"--servers=" + std::to_string(kServers)},
                      disturbance);
}

// Of the events "shard_restored": a field's sum.
std::uint64_t SumOfRestored(CountingJob* counting, const std::string& field, int* events = nullptr) {
  std::uint64_t sum = 0;
  for (const std::string& line : Lines(ReadOrDie(counting->test().Path("metrics")))) {
    if (line.find("\"event\":\"shard_restored\"") == std::string::npos) continue;
    const std::string name = "\"" + field + "\":";
    sum += std::strtoull(line.c_str() + line.find(name) + name.size(), nullptr, 10);
    if (events != nullptr) ++*events;
  }
  return sum;
}

// When so many checkpoints are written.
std::function<bool()> AfterCheckpoints(CountingJob* counting, int checkpoints) {
  return [=] { return WaitForEvent(counting->test().Path("metrics"), "checkpoint", 120, checkpoints); };
}

class RestoreModesTest : public ::testing::TestWithParam<proto::Train::Consistency> {};

TEST_P(RestoreModesTest, WhatIsLostIsExactlyWhatTheJobSays) {
  const auto counting = Counting(1);
  counting->job().mutable_train()->set_consistency(GetParam());
  const ProcessResult run =
      RunDisturbed(counting.get(), {.ranks = {kServer0}, .begun = AfterCheckpoints(counting.get(), 1)});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.out, HasSubstr("shard 0 is restored from "));
  EXPECT_THAT(run.out, HasSubstr("on spare 0 (rank 5"));
  EXPECT_THAT(run.out, HasSubstr("by 1 shard that was restored"));
  EXPECT_EQ(AccountsOf(counting->test().Path("metrics")).trained, counting->good_rows());
  int events = 0;
  const std::uint64_t lost = SumOfRestored(counting.get(), "lost_updates", &events);
  EXPECT_EQ(events, 1);
  if (GetParam() == proto::Train::BSP) return;  // its steps are of no fixed length
  const auto missing = counting->MissingUpdates();
  ASSERT_TRUE(missing.has_value());
  EXPECT_EQ(*missing, lost);
  EXPECT_GT(lost, 0u);
}

INSTANTIATE_TEST_SUITE_P(Modes, RestoreModesTest, ::testing::Values(proto::Train::ASYNC, proto::Train::BSP),
                         [](const auto& info) { return proto::Train::Consistency_Name(info.param); });

// The spare that has the shard is lost too, maybe before it has all of it.
TEST(Faults, TheNextSpareTakesAShardWhenTheFirstIsLostToo) {
  const auto counting = Counting(2);
  TestJob& test = counting->test();
  const std::string metrics = test.Path("metrics");
  Process process(UnderMpirun(1 + kServers + kWorkers + 2, {"train", test.Write(), "--metrics=" + metrics,
                                                            "--servers=" + std::to_string(kServers)}));
  ASSERT_TRUE(WaitForEvent(metrics, "checkpoint", 120)) << process.out() << process.err();
  const auto kill_rank = [&](std::uint32_t rank) {
    for (const pid_t pid : ProcessesOf(process, rank)) ::kill(pid, SIGKILL);
  };
  kill_rank(kServer0);
  ASSERT_TRUE(process.WaitForOutput("shard 0 is restored from ", 60)) << process.out() << process.err();
  kill_rank(kWorker0 + kWorkers);
  const ProcessResult run = process.Wait(200);
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.out, HasSubstr("on spare 1 (rank 6"));
  const auto missing = counting->MissingUpdates();
  ASSERT_TRUE(missing.has_value());
  EXPECT_EQ(*missing, SumOfRestored(counting.get(), "lost_updates"));
}

TEST(ShardRestoreTest, WithoutACheckpointTheJobEndsAndSaysWhy) {
  const auto counting = Counting(1);
  counting->job().mutable_checkpoint()->set_every_rows(0);
  const ProcessResult run = RunDisturbed(counting.get(), {.ranks = {kServer0}});
  EXPECT_EQ(run.exit_code, 1) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.out + run.err, HasSubstr("can not be restored: there is no checkpoint yet"));
}

TEST(ShardRestoreTest, OrItBeginsAnewWhereTheJobSaysSo) {
  const auto counting = Counting(1);
  counting->job().mutable_checkpoint()->set_every_rows(0);
  counting->job().mutable_cluster()->set_lost_shard(proto::Cluster::RESTORE_OR_BEGIN_ANEW);
  const ProcessResult run = RunDisturbed(counting.get(), {.ranks = {kServer0}});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  const auto missing = counting->MissingUpdates();
  ASSERT_TRUE(missing.has_value());
  EXPECT_EQ(*missing, SumOfRestored(counting.get(), "lost_updates"));
}

TEST(ShardRestoreTest, ADamagedCheckpointEndsTheJob) {
  const auto counting = Counting(1);
  counting->job().mutable_checkpoint()->set_every_rows(300'000);
  const auto damaged = [&] {
    if (!AfterCheckpoints(counting.get(), 1)()) return false;
    const std::string path = counting->test().Path("checkpoints/checkpoint-000001/shard-0.sherd");
    std::string bytes = ReadOrDie(path);
    bytes[bytes.size() / 2] ^= 1;
    WriteOrDie(path, bytes);
    return true;
  };
  const ProcessResult run = RunDisturbed(counting.get(), {.ranks = {kServer0}, .after = 0, .begun = damaged});
  EXPECT_EQ(run.exit_code, 1) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.out + run.err, HasSubstr("restore shard 0 from "));
  EXPECT_THAT(run.out + run.err, HasSubstr("shard-0.sherd"));
}

// Whoever takes over finds in the journal from what the shard is to be restored; nobody can tell what the worker that
// is lost with it had pushed.
TEST(ShardRestoreTest, TheSchedulerAndAWorkerMayBeLostInTheSameMoment) {
  const auto counting = Counting(2);
  const ProcessResult run = RunDisturbed(
      counting.get(), {.ranks = {0, kServer0, kWorker0}, .after = 0.1, .begun = AfterCheckpoints(counting.get(), 2)});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.out, HasSubstr("took the job over"));
  EXPECT_THAT(run.out, HasSubstr("and those of lost workers"));
  EXPECT_EQ(AccountsOf(counting->test().Path("metrics")).trained, counting->good_rows());
  EXPECT_TRUE(counting->MissingUpdates().has_value());
}

TEST(Faults, UnreplicatedServersKilledAtManyMoments) {
  std::mt19937 random(11);
  for (int i = 0; i < 30; ++i) {
    const auto counting = Counting(1);
    counting->job().mutable_train()->set_consistency(i % 2 == 0 ? proto::Train::BOUNDED : proto::Train::ASYNC);
    const double after = std::uniform_real_distribution(0.0, 3.0)(random);
    const auto server = static_cast<std::uint32_t>(random() % kServers);
    const ProcessResult run = RunDisturbed(
        counting.get(), {.ranks = {kServer0 + server}, .after = after, .begun = AfterCheckpoints(counting.get(), 1)});
    ASSERT_EQ(run.exit_code, 0) << "after " << after << " s: " << run.out << run.err;
    EXPECT_THAT(run.left, IsEmpty());
    const auto missing = counting->MissingUpdates();
    ASSERT_TRUE(missing.has_value()) << "after " << after << " s: " << run.out;
    const std::uint64_t lost = SumOfRestored(counting.get(), "lost_updates");
    ASSERT_EQ(*missing, lost) << "after " << after << " s: " << run.out;
    std::printf("killed server %u after %.2f s: %llu updates lost\n", server, after,
                static_cast<unsigned long long>(lost));
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace sherd
