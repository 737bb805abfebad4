#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/job_run.h"

namespace sherd {
namespace {

void MakeBsp(TestJob* test) {
  proto::Job& job = test->job();
  job.mutable_train()->set_consistency(proto::Train::BSP);
  job.mutable_train()->set_max_in_flight(1);
  job.mutable_train()->set_batch_size(64);
  job.mutable_train()->set_epochs(3);
  job.mutable_model()->mutable_tower()->set_batch_norm(true);
  job.mutable_model()->mutable_tower()->set_dropout(0.2);
  job.mutable_cluster()->set_workers(2);
  job.mutable_checkpoint()->set_every_rows(15000);  // about two an epoch
}

class ResumeTest : public ::testing::TestWithParam<int> {};

// The second half goes on in one process with another number of servers, from what two servers wrote under mpirun.
TEST_P(ResumeTest, GoesOnToTheBitsOfAnUndisturbedRun) {
  TestJob test("adult_deepfm");
  MakeBsp(&test);
  test.job().mutable_checkpoint()->set_dir(test.Path("undisturbed"));
  const ProcessResult whole = RunProcess(OneProcess({"train", test.Write(), "--servers=1"}), 200);
  ASSERT_EQ(whole.exit_code, 0) << whole.err;

  test.job().mutable_checkpoint()->set_dir(test.Path("disturbed"));
  {
    Process process(UnderMpirun(5, {"train", test.Write(), "--servers=2"}));
    ASSERT_TRUE(process.WaitForOutput("epoch 2", 120)) << process.out() << process.err();
    if (GetParam() == SIGINT) process.Signal(SIGINT);
    if (GetParam() == SIGKILL) {
      for (const pid_t pid : process.Descendants()) ::kill(pid, SIGKILL);
    }
    EXPECT_NE(process.Wait(30).exit_code, 0) << "it ended before it was disturbed";
  }
  const ProcessResult rest = RunProcess(OneProcess({"train", test.Write(), "--servers=3", "--resume"}), 200);
  ASSERT_EQ(rest.exit_code, 0) << rest.out << rest.err;
  const std::string undisturbed = CheckpointContents(test.Path("undisturbed"));
  ASSERT_GT(Lines(undisturbed).size(), 100);
  EXPECT_TRUE(CheckpointContents(test.Path("disturbed")) == undisturbed);
}

INSTANTIATE_TEST_SUITE_P(Signals, ResumeTest, ::testing::Values(SIGINT, SIGKILL),
                         [](const auto& info) { return std::string(info.param == SIGINT ? "CtrlC" : "Kill9"); });

}  // namespace
}  // namespace sherd
