// sherd doctor, alone and on all ranks of an mpirun.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/counting_job.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A machine that the tests run on need not be a good one: then the doctor says so, and its exit code too.
void ExpectVerdict(const ProcessResult& run) {
  const bool wrong = run.out.find("WRONG") != std::string::npos;
  EXPECT_EQ(run.exit_code, wrong ? 1 : 0) << run.out << run.err;
  EXPECT_EQ(run.out.find("nothing is wrong") == std::string::npos, wrong) << run.out;
  EXPECT_THAT(run.left, IsEmpty());
}

TEST(DoctorTest, AllRanksReachOneAnotherOverEncryptedTcp) {
  CountingJob counting({.files = 1, .rows = 64});
  const ProcessResult run = RunProcess(UnderMpirun(3, {"doctor", counting.test().Write(), "--transport=tcp"}), 60);
  ExpectVerdict(run);
  EXPECT_THAT(run.out, HasSubstr("rate, MB/s"));
  EXPECT_THAT(run.out, HasSubstr("worker 0"));
  EXPECT_THAT(run.out, Not(HasSubstr("NONE")));
}

TEST(DoctorTest, SaysWhatIsWrongAndEndsWithOne) {
  CountingJob counting({.files = 1, .rows = 64});
  const ProcessResult run =
      RunProcess(UnderMpirun(3, {"doctor", counting.test().Write(), "--memory_budget=1000000G"}), 60);
  EXPECT_EQ(run.exit_code, 1) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("(cluster.memory_budget)"));
  EXPECT_THAT(run.out, HasSubstr("lower it"));
}

TEST(DoctorTest, ExaminesOneProcessAlone) {
  CountingJob counting({.files = 1, .rows = 64});
  const ProcessResult run = RunProcess(OneProcess({"doctor", counting.test().Write()}), 60);
  ExpectVerdict(run);
  EXPECT_THAT(run.out, HasSubstr("checkpoint.dir"));
}

TEST(DoctorTest, ABadJobIsRefusedAsByTrain) {
  CountingJob counting({.files = 1, .rows = 64});
  const ProcessResult run = RunProcess(UnderMpirun(3, {"doctor", counting.test().Write(), "--batch_size=0"}), 60);
  EXPECT_EQ(run.exit_code, 2) << run.out << run.err;
  EXPECT_THAT(run.err, HasSubstr("batch_size"));
}

}  // namespace
}  // namespace sherd
