// Workers that are killed, and one that only seems dead, under mpirun.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <random>
#include <thread>

#include "tests/integration/counting_job.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kRank[] = "OMPI_COMM_WORLD_RANK";
constexpr std::uint32_t kServers = 2, kWorkers = 3;

// A run with two servers and three workers, of which one gets `signal` so many seconds after training began.
struct Disturbance {
  int signal = SIGKILL;
  double after = 0.3;
  double resume_after = 0;  // SIGCONT, if not 0
  std::uint32_t worker = 1;
};

ProcessResult RunDisturbed(CountingJob* counting, const Disturbance& disturbance) {
  const std::string metrics = counting->test().Path("metrics");
  Process process(UnderMpirun(1 + kServers + kWorkers, {"train", counting->test().Write(), "--metrics=" + metrics,
                                                        "--servers=" + std::to_string(kServers)}));
  if (!WaitForEvent(metrics, "progress", 120)) {
    ADD_FAILURE() << "it did not begin: " << process.out() << process.err();
    return process.Wait(1);
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(disturbance.after));
  const auto victim = process.Descendants(kRank, std::to_string(1 + kServers + disturbance.worker));
  EXPECT_THAT(victim, SizeIs(1)) << process.out() << process.err();
  for (const pid_t pid : victim) ::kill(pid, disturbance.signal);
  if (disturbance.resume_after > 0) {
    std::this_thread::sleep_for(std::chrono::duration<double>(disturbance.resume_after));
    for (const pid_t pid : victim) ::kill(pid, SIGCONT);
  }
  return process.Wait(200);
}

// The job's own account against the truth.
void ExpectAccounts(const CountingJob& counting, const std::string& metrics, std::uint64_t files,
                    std::uint64_t most_repeated) {
  const EpochAccounts accounts = AccountsOf(metrics);
  EXPECT_EQ(accounts.files, files);
  EXPECT_EQ(accounts.trained, counting.good_rows());
  EXPECT_EQ(accounts.bad, counting.bad_rows());
  EXPECT_EQ(accounts.read, counting.good_rows() + counting.bad_rows());
  EXPECT_LE(accounts.repeated, most_repeated);
}

constexpr std::uint64_t kChunk = 64 * CountingJob::kBatch;  // rows, at most

TEST(WorkerLossTest, EveryRowReachesEveryShardOnceThoughAWorkerIsKilled) {
  CountingJob counting({.rows = 6400});
  const ProcessResult run = RunDisturbed(&counting, {});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.out, HasSubstr("worker 1 (rank 4"));
  EXPECT_THAT(run.out, HasSubstr("the others take over its work"));
  EXPECT_EQ(counting.WrongCounts(1), "");
  ExpectAccounts(counting, counting.test().Path("metrics"), 100, kChunk);
}

TEST(WorkerLossTest, WhoWasOnlyStoppedIsToldAndEnds) {
  CountingJob counting({.files = 200, .rows = 12'288});
  const ProcessResult run = RunDisturbed(&counting, {.signal = SIGSTOP, .resume_after = 4.5});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.err, HasSubstr("taken for lost"));
  EXPECT_EQ(counting.WrongCounts(1), "");
  ExpectAccounts(counting, counting.test().Path("metrics"), 200, kChunk);
}

class BadRowsLossTest : public ::testing::TestWithParam<proto::Train::Consistency> {};

// With malformed rows, streamed, and in every mode: what is read, trained and skipped is what there is.
TEST_P(BadRowsLossTest, TheAccountsAreTrue) {
  CountingJob counting({.files = 20, .rows = 20000, .bad_every = 97, .in_memory = 0});
  counting.job().mutable_train()->set_consistency(GetParam());
  const ProcessResult run = RunDisturbed(&counting, {.worker = 0});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("computed again after a loss"));
  ExpectAccounts(counting, counting.test().Path("metrics"), 20, kChunk);
}

INSTANTIATE_TEST_SUITE_P(Modes, BadRowsLossTest,
                         ::testing::Values(proto::Train::ASYNC, proto::Train::BOUNDED, proto::Train::BSP),
                         [](const auto& info) { return proto::Train::Consistency_Name(info.param); });

// mpirun would wait for it for ever.
TEST(Faults, AStoppedWorkerDoesNotOutliveTheJob) {
  CountingJob counting({});
  const ProcessResult run = RunDisturbed(&counting, {.signal = SIGSTOP});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_EQ(counting.WrongCounts(1), "");
}

TEST(Faults, WorkersKilledAtManyMoments) {
  std::mt19937 random(5);
  for (int i = 0; i < 20; ++i) {
    CountingJob counting({.rows = 6400});
    counting.job().mutable_checkpoint()->set_every_rows(100000);
    const Disturbance disturbance{.after = std::uniform_real_distribution(0.0, 3.0)(random),
                                  .worker = static_cast<std::uint32_t>(random() % kWorkers)};
    const ProcessResult run = RunDisturbed(&counting, disturbance);
    ASSERT_EQ(run.exit_code, 0) << "after " << disturbance.after << " s: " << run.out << run.err;
    EXPECT_THAT(run.left, IsEmpty());
    ASSERT_EQ(counting.WrongCounts(1), "") << "after " << disturbance.after << " s: " << run.out;
    ExpectAccounts(counting, counting.test().Path("metrics"), 100, kChunk);
    std::printf("killed worker %u after %.2f s: %llu rows computed again\n", disturbance.worker, disturbance.after,
                static_cast<unsigned long long>(AccountsOf(counting.test().Path("metrics")).repeated));
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace sherd
