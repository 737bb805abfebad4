#include "tests/testing/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

namespace sherd {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

ProcessResult RunShell(const std::string& script, double seconds) { return RunProcess({"sh", "-c", script}, seconds); }

TEST(ProcessTest, ReportsOutputAndExitCode) {
  const ProcessResult result = RunShell("echo to out; echo to err >&2; exit 3", 30);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.out, "to out\n");
  EXPECT_EQ(result.err, "to err\n");
  EXPECT_THAT(result.left, IsEmpty());
}

TEST(ProcessTest, AddsToTheEnvironmentAndGivesNoInput) {
  const ProcessResult result =
      RunProcess({"sh", "-c", "cat; echo $HOME $MORE"}, 30, {{"HOME", "here"}, {"MORE", "yes"}});
  EXPECT_EQ(result.out, "here yes\n");
}

TEST(ProcessTest, KillsWhatDoesNotEndInTime) {
  EXPECT_EQ(RunShell("sleep 600", 0.2).exit_code, -1);
  EXPECT_EQ(RunShell("kill -9 $$", 30).exit_code, 128 + SIGKILL);
  EXPECT_EQ(RunProcess({"/there/is/no/such/program"}, 30).exit_code, 127);
}

TEST(ProcessTest, FindsAndKillsDescendantsThatOutliveTheirParent) {
  Process process({"sh", "-c", "setsid sleep 600 & exit 0"});
  const ProcessResult result = process.Wait(30);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.left, SizeIs(1));
  while (!process.Descendants().empty()) {
  }
}

TEST(ProcessTest, FindsOneDescendantByItsEnvironment) {
  Process process({"sh", "-c", "RANK=1 sleep 600 & RANK=12 sleep 600 & echo started; wait"});
  ASSERT_TRUE(process.WaitForOutput("started", 30));
  while (process.Descendants("RANK", "12").empty()) {
  }
  EXPECT_THAT(process.Descendants("RANK", "1"), SizeIs(1));
  process.Signal(SIGINT);
  EXPECT_FALSE(process.WaitForOutput("never printed", 30));
}

}  // namespace
}  // namespace sherd
