// Workers that report a failure, under mpirun: one whose own disk fails is lost, what all of them meet ends the job.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/counting_job.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kRanks = 1 + 2 + 3;  // the workers are ranks 3, 4 and 5

// A run in whose midst the disk of these ranks begins to fail.
ProcessResult RunOnFailingDisks(CountingJob* counting, const std::string& ranks) {
  TestJob& test = counting->test();
  const std::string metrics = test.Path("metrics");
  Process process(UnderMpirun(kRanks, {"train", test.Write(), "--metrics=" + metrics, "--servers=2"}),
                  {{"LD_PRELOAD", SHERD_FAILING_READS},
                   {"FAILING_READS_OF", test.Path("data/f")},
                   {"FAILING_READS_FROM", test.Path("failing")},
                   {"FAILING_READS_RANKS", ranks}});
  EXPECT_TRUE(WaitForEvent(metrics, "progress", 120)) << process.out() << process.err();
  WriteOrDie(test.Path("failing"), "");
  return process.Wait(200);
}

TEST(WorkerFailureTest, AWorkerWhoseDiskFailsIsLostAndTheOthersGoOn) {
  CountingJob counting({.files = 40, .rows = 16000, .in_memory = 0});  // streamed: each chunk opens its file
  const ProcessResult run = RunOnFailingDisks(&counting, ",4,");
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.out, HasSubstr("failed: worker 1 (rank 4"));
  EXPECT_THAT(run.out, HasSubstr("Input/output error; the others take over its work"));
  const EpochAccounts accounts = AccountsOf(counting.test().Path("metrics"));
  EXPECT_EQ(accounts.trained, counting.good_rows());
  EXPECT_EQ(accounts.files, 40u);
}

TEST(WorkerFailureTest, ADiskThatFailsAllOfThemEndsTheJob) {
  CountingJob counting({.files = 40, .rows = 16000, .in_memory = 0});
  const ProcessResult run = RunOnFailingDisks(&counting, ",3,4,5,");
  EXPECT_EQ(run.exit_code, 1) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.err, HasSubstr("Input/output error; "));  // no worker is left, or two have met the same
}

}  // namespace
}  // namespace sherd
