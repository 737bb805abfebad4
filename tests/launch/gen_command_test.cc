#include "launch/gen_command.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <sstream>

#include "base/file.h"
#include "launch/temporary_dir.h"

namespace sherd {
namespace {

using testing::HasSubstr;

std::string Problem(const std::vector<std::string>& words) {
  std::ostringstream out;
  const Status status = RunGenCommand(words, out);
  EXPECT_EQ(status.ok() ? ErrorCode::kStopped : status.code(), ErrorCode::kInvalid);
  EXPECT_EQ(out.str(), "");
  return status.text();
}

TEST(GenCommand, SaysWhatIsWrongWithItsFlags) {
  EXPECT_EQ(Problem({"--row=3"}), "gen has no flag --row (did you mean rows?)");
  EXPECT_EQ(Problem({"--rows=0"}), "--rows: 0 is not a number from 1 to 4611686018427387904");
  EXPECT_EQ(Problem({"--rows=1e6"}), "--rows: 1e6 is not a number from 1 to 4611686018427387904");
  EXPECT_EQ(Problem({"--rows"}), "--rows: a value is missing");
  EXPECT_EQ(Problem({"--rows=5", "--rows=6"}), "--rows: is given twice");
  EXPECT_EQ(Problem({"--rows=2", "--first_row=4611686018427387903"}),
            "--first_row: 4611686018427387903 is not a number from 0 to 4611686018427387902");
  EXPECT_EQ(Problem({"--threads=0"}), "--threads: 0 is not a number from 1 to 1024");
  EXPECT_EQ(Problem({"--scale=big"}), "--scale: big is not a number");
  EXPECT_EQ(Problem({"--scale=nan"}), "--scale: nan is not a number");
  EXPECT_THAT(Problem({"--scale=-1"}), HasSubstr("--scale: -1.000000 is outside"));
  EXPECT_THAT(Problem({"--click_rate=1.5"}), HasSubstr("--click_rate: 1.500000 is outside"));
  EXPECT_THAT(Problem({"--format=csv"}), HasSubstr("--format: csv is not one of tsv, delimited"));
  EXPECT_EQ(Problem({"--compress=xz"}), "--compress: xz is not one of none, zstd, gzip");
  EXPECT_THAT(Problem({"--format=row_file", "--compress=zstd"}), HasSubstr("--compress: a row file's blocks are"));
  EXPECT_THAT(Problem({"--keep_tokens"}), HasSubstr("--keep_tokens: only row files"));
  EXPECT_EQ(Problem({"--keep_tokens=yes"}), "--keep_tokens: yes is not true or false");
  EXPECT_EQ(Problem({"log.tsv"}), "gen takes flags alone: --output=log.tsv?");
  EXPECT_EQ(Problem({"--output=/dev/null"}), "--output: /dev/null is there, and no regular file");
}

TEST(GenCommand, WritesRowsAndTellsTheBestFigures) {
  const auto dir = TemporaryDir::Make().value();
  const std::string path = dir->path() + "/log.tsv";
  std::ostringstream out;
  ASSERT_TRUE(RunGenCommand(std::vector<std::string>{"--output", path, "--rows=3", "--scale=.01"}, out).ok());
  EXPECT_THAT(ReadFile(path).value(), testing::StartsWith("0\t\t3\t\t\t5533\t18"));
  EXPECT_THAT(out.str(), testing::AllOf(HasSubstr("rows      3, from row 0 on\n"), HasSubstr("241.7 bytes a row"),
                                        HasSubstr("best      AUC"), HasSubstr("expected  AUC")));
}

TEST(GenCommand, ItsSimulatorSaysWhatIsWrong) {
  EXPECT_EQ(Problem({"--simulator", "--rows=5"}), "gen --simulator has no flag --rows");
  EXPECT_THAT(Problem({"--simulator", "--sessions=0"}), HasSubstr("--sessions: 0 is not a number from 1"));
  EXPECT_THAT(Problem({"--simulator", "--explore=.1"}), HasSubstr("--explore: without --scores"));
  EXPECT_THAT(Problem({"--explore=2", "--simulator"}), HasSubstr("--explore: 2 is not a share"));
  EXPECT_EQ(Problem({"--simulator", "sessions.csv"}), "gen takes flags alone: --output=sessions.csv?");
}

// Scores that are all alike are the random policy.
TEST(GenCommand, TellsWhatPoliciesOfSimulatedUsersAreWorth) {
  const auto dir = TemporaryDir::Make().value();
  const std::string path = dir->path() + "/sessions.csv", scores = dir->path() + "/scores.txt";
  std::string lines;
  for (int choice = 0; choice < 720; ++choice) lines += "0\n";
  ASSERT_TRUE(WriteFileAtomically(scores, lines).ok());
  std::ostringstream out;
  const std::vector<std::string> words = {"--simulator", "--output=" + path, "--sessions=3", "--scores=" + scores};
  ASSERT_TRUE(RunGenCommand(words, out).ok());
  EXPECT_THAT(ReadFile(path).value(),
              testing::StartsWith("state,item,propensity,click,return,next_state,stays,items\n"));
  const std::string told = out.str();
  EXPECT_THAT(told, testing::AllOf(HasSubstr("best      5.9972, 1.0000 of the best: by value iteration\n"),
                                   HasSubstr("random    2.6884, 0.4483 of the best"),
                                   HasSubstr("softmax   2.6884, 0.4483 of the best"), HasSubstr("3 from 0 on, ")));
}

TEST(GenCommand, AFolderThatIsMissingIsNamed) {
  std::ostringstream out;
  const Status status = RunGenCommand(std::vector<std::string>{"--output=/no/such/log.tsv", "--rows=3"}, out);
  EXPECT_EQ(status.code(), ErrorCode::kIo);
  EXPECT_THAT(status.text(), HasSubstr("/no/such/log.tsv"));
}

}  // namespace
}  // namespace sherd
