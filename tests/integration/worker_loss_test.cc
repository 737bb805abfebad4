// Workers that are killed, and one that only seems dead, under mpirun.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/integration/counting_job.h"
#include "tests/integration/disturbed_run.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint32_t kServers = 2, kWorkers = 3;
constexpr std::uint32_t kWorker0 = 1 + kServers;  // ranks from here on

ProcessResult RunDisturbed(CountingJob* counting, const Disturbance& disturbance) {
  return RunDisturbed(&counting->test(), 1 + kServers + kWorkers, {"--servers=" + std::to_string(kServers)},
                      disturbance);
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
  const ProcessResult run = RunDisturbed(&counting, {.ranks = {kWorker0 + 1}});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.out, HasSubstr("worker 1 (rank 4"));
  EXPECT_THAT(run.out, HasSubstr("the others take over its work"));
  EXPECT_EQ(counting.WrongCounts(1), "");
  ExpectAccounts(counting, counting.test().Path("metrics"), 100, kChunk);
}

TEST(WorkerLossTest, WhoWasOnlyStoppedIsToldAndEnds) {
  CountingJob counting({.files = 200, .rows = 12'288});
  const ProcessResult run = RunDisturbed(&counting, {.ranks = {kWorker0 + 1}, .signal = SIGSTOP, .resume_after = 4.5});
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
  const ProcessResult run = RunDisturbed(&counting, {.ranks = {kWorker0}});
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
  const ProcessResult run = RunDisturbed(&counting, {.ranks = {kWorker0 + 1}, .signal = SIGSTOP});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_EQ(counting.WrongCounts(1), "");
}

TEST(Faults, WorkersKilledAtManyMoments) {
  std::mt19937 random(5);
  for (int i = 0; i < 20; ++i) {
    CountingJob counting({.rows = 6400});
    counting.job().mutable_checkpoint()->set_every_rows(100000);
    const double after = std::uniform_real_distribution(0.0, 3.0)(random);
    const auto worker = static_cast<std::uint32_t>(random() % kWorkers);
    const ProcessResult run = RunDisturbed(&counting, {.ranks = {kWorker0 + worker}, .after = after});
    ASSERT_EQ(run.exit_code, 0) << "after " << after << " s: " << run.out << run.err;
    EXPECT_THAT(run.left, IsEmpty());
    ASSERT_EQ(counting.WrongCounts(1), "") << "after " << after << " s: " << run.out;
    ExpectAccounts(counting, counting.test().Path("metrics"), 100, kChunk);
    std::printf("killed worker %u after %.2f s: %llu rows computed again\n", worker, after,
                static_cast<unsigned long long>(AccountsOf(counting.test().Path("metrics")).repeated));
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace sherd
