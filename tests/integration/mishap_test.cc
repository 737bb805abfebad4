#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Long enough to be disturbed: it does not end by itself within the test's time.
void MakeLong(TestJob* test) {
  proto::Job& job = test->job();
  job.mutable_train()->set_epochs(1000);
  job.mutable_train()->set_batch_size(64);
  job.mutable_evaluation()->clear_patience();
  job.mutable_cluster()->set_heartbeat_timeout(3);
  job.mutable_cluster()->set_request_timeout(20);
  job.mutable_checkpoint()->set_dir(test->Path("checkpoints"));
}

// A worker of a run with one server is rank 2 or above.
constexpr char kRank[] = "OMPI_COMM_WORLD_RANK";

TEST(MishapTest, CtrlCEndsAllRanksWithACheckpointToResumeFrom) {
  TestJob test("adult_deepfm");
  MakeLong(&test);
  Process process(UnderMpirun(4, {"train", test.Write()}));
  ASSERT_TRUE(process.WaitForOutput("epoch 2", 120)) << process.out() << process.err();
  process.Signal(SIGINT);
  const ProcessResult run = process.Wait(30);
  EXPECT_NE(run.exit_code, -1) << "did not end: " << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.out + run.err, HasSubstr(test.Path("checkpoints")));
  EXPECT_THAT(Lines(CheckpointContents(test.Path("checkpoints"))), ::testing::Not(IsEmpty()));
}

TEST(MishapTest, CtrlCEndsOneProcessToo) {
  TestJob test("adult_deepfm");
  MakeLong(&test);
  Process process(OneProcess({"train", test.Write()}));
  ASSERT_TRUE(process.WaitForOutput("epoch 2", 120)) << process.out() << process.err();
  process.Signal(SIGINT);
  const ProcessResult run = process.Wait(30);
  EXPECT_NE(run.exit_code, -1) << "did not end: " << run.out << run.err;
  EXPECT_THAT(Lines(CheckpointContents(test.Path("checkpoints"))), ::testing::Not(IsEmpty()));
}

struct Victim {
  const char* rank;
  const char* name;
};

class KillTest : public ::testing::TestWithParam<Victim> {};

TEST_P(KillTest, EndsTheJobWithAMessageThatNamesTheLostOne) {
  TestJob test("adult_deepfm");
  MakeLong(&test);
  Process process(UnderMpirun(4, {"train", test.Write()}));
  ASSERT_TRUE(process.WaitForOutput("epoch 2", 120)) << process.out() << process.err();
  const std::vector<pid_t> victim = process.Descendants(kRank, GetParam().rank);
  ASSERT_THAT(victim, SizeIs(1));
  ::kill(victim[0], SIGKILL);
  const ProcessResult run = process.Wait(60);
  EXPECT_EQ(run.exit_code, 1) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.err, HasSubstr(GetParam().name));
}

INSTANTIATE_TEST_SUITE_P(Roles, KillTest, ::testing::Values(Victim{"1", "server 0"}),
                         [](const auto&) { return std::string("Server"); });

TEST(MishapTest, NoRankOutlivesTheScheduler) {
  TestJob test("adult_deepfm");
  MakeLong(&test);
  Process process(UnderMpirun(4, {"train", test.Write()}));
  ASSERT_TRUE(process.WaitForOutput("epoch 2", 120)) << process.out() << process.err();
  const std::vector<pid_t> scheduler = process.Descendants(kRank, "0");
  ASSERT_THAT(scheduler, SizeIs(1));
  ::kill(scheduler[0], SIGKILL);
  const ProcessResult run = process.Wait(60);
  EXPECT_EQ(run.exit_code, 1) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
}

}  // namespace
}  // namespace sherd
