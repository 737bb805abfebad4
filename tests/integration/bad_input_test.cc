#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A message for people: on one rank alone, without the remains of a crash.
void ExpectRefused(const ProcessResult& run, const ::testing::Matcher<int>& exit_code) {
  EXPECT_THAT(run.exit_code, exit_code) << run.out << run.err;
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(run.err, Not(HasSubstr("Check failed")));
  EXPECT_THAT(run.err, Not(HasSubstr("Segmentation fault")));
}

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Adult with rows that no schema fits put between its first rows.
std::string WithBadRows(const TestJob& test, const std::vector<std::string>& bad) {
  const std::vector<std::string> lines =
      Lines(ReadOrDie(std::string(SHERD_SOURCE_DIR) + "/tests/data/adult/adult.data"));
  std::string text;
  for (std::size_t i = 0; i < 5000; ++i) {
    if (i % 10 == 5 && i / 10 < bad.size()) text += bad[i / 10] + "\n";
    text += lines.at(i) + "\n";
  }
  WriteOrDie(test.Path("adult.data"), text);
  return test.Path("adult.data");
}

const char kBadAge[] = "old, Private, 1, HS-grad, 9, Divorced, Sales, Husband, White, Male, 0, 0, 40, Cuba, <=50K";
const char kBadLabel[] = "39, Private, 1, HS-grad, 9, Divorced, Sales, Husband, White, Male, 0, 0, 40, Cuba, rich";
const char kTooShort[] = "39, Private, 1, HS-grad";

TEST(BadJobTest, ListsEveryProblemBeforeAnyRankWorks) {
  TestJob test("adult_wide_deep");
  test.job().mutable_train()->set_batch_size(0);
  test.job().mutable_train()->set_epochs(0);
  WriteOrDie(test.Path("bad.pbtxt"), ReadOrDie(test.Write()) + "surprise: 7\n");
  for (const auto& command :
       {UnderMpirun(4, {"train", test.Path("bad.pbtxt")}), OneProcess({"train", test.Path("bad.pbtxt")}),
        OneProcess({"check", test.Path("bad.pbtxt")})}) {
    const ProcessResult run = RunProcess(command, 60);
    ExpectRefused(run, 2);
    EXPECT_THAT(run.err,
                AllOf(HasSubstr("batch_size"), HasSubstr("1048576"), HasSubstr("epochs"), HasSubstr("surprise")));
    EXPECT_THAT(run.err, HasSubstr("bad.pbtxt:")) << "names the line";
    EXPECT_EQ(Count(run.err, "surprise"), 1) << "one rank speaks: " << run.err;
  }
}

TEST(BadJobTest, RefusesAModelThatDoesNotExistAndAColumnThatIsNotThere) {
  TestJob test("adult_wide_deep");
  test.job().mutable_model()->set_name("deep_wide");
  ProcessResult run = RunProcess(UnderMpirun(3, {"train", test.Write()}), 60);
  ExpectRefused(run, 2);
  EXPECT_THAT(run.err, AllOf(HasSubstr("deep_wide"), HasSubstr("wide_deep"))) << "names the models there are";
  test.job().mutable_model()->set_name("wide_deep");
  test.job().mutable_feature(0)->set_column("shoe_size");
  run = RunProcess(UnderMpirun(3, {"train", test.Write()}), 60);
  ExpectRefused(run, 2);
  EXPECT_THAT(run.err, HasSubstr("shoe_size"));
}

TEST(BadJobTest, RefusesMoreServersThanRanks) {
  TestJob test("adult_wide_deep");
  const ProcessResult run = RunProcess(UnderMpirun(3, {"train", test.Write(), "--servers=5"}), 60);
  ExpectRefused(run, 2);
  EXPECT_THAT(run.err, HasSubstr("5"));
}

TEST(BadJobTest, RefusesAFlagThatDoesNotExist) {
  TestJob test("adult_wide_deep");
  const ProcessResult run = RunProcess(OneProcess({"train", test.Write(), "--epoch=3"}), 60);
  ExpectRefused(run, 2);
  EXPECT_THAT(run.err, HasSubstr("epoch"));
}

TEST(BadJobTest, RefusesAnEmptyPath) {
  TestJob test("adult_wide_deep");
  for (const char* flag : {"--train=a,,b", "--data_dir="}) {
    const ProcessResult run = RunProcess(UnderMpirun(3, {"train", test.Write(), flag}), 30);
    ExpectRefused(run, 2);
    EXPECT_THAT(run.err, HasSubstr("an empty path"));
  }
}

TEST(BadJobTest, RefusesWorkersThatDoNotFitTheRanks) {
  TestJob test("adult_wide_deep");
  const ProcessResult run = RunProcess(UnderMpirun(4, {"train", test.Write(), "--workers=3"}), 60);
  ExpectRefused(run, 2);
  EXPECT_THAT(run.err, HasSubstr("use -np 6"));
}

TEST(BadJobTest, FindsAnUnusableCheckpointFolderBeforeTraining) {
  TestJob test("adult_wide_deep");
  WriteOrDie(test.Path("file"), "");
  const std::string metrics = test.Path("metrics");
  WriteOrDie(metrics, "{\"event\":\"done\"}\n");  // of an earlier run
  const ProcessResult run = RunProcess(
      OneProcess({"train", test.Write(), "--checkpoint_dir=" + test.Path("file/c"), "--metrics=" + metrics}), 60);
  ExpectRefused(run, 1);
  EXPECT_THAT(run.err, HasSubstr("checkpoint.dir"));
  EXPECT_THAT(run.out, Not(HasSubstr("epoch 1")));
  EXPECT_THAT(Lines(ReadOrDie(metrics)), ::testing::ElementsAre(HasSubstr("\"failed\"")));
}

TEST(BadDataTest, NamesAFileThatIsMissingOrEmpty) {
  TestJob test("adult_wide_deep");
  const std::string metrics = test.Path("metrics");
  ProcessResult run =
      RunProcess(UnderMpirun(4, {"train", test.Write(), "--train=/there/is/no.data", "--metrics=" + metrics}), 60);
  ExpectRefused(run, AnyOf(1, 2));
  EXPECT_THAT(ReadOrDie(metrics), HasSubstr("\"failed\""));
  EXPECT_EQ(Count(run.err, "sherd: /there/is/no.data"), 1) << "one rank speaks: " << run.err;
  WriteOrDie(test.Path("empty.data"), "");
  run = RunProcess(UnderMpirun(4, {"train", test.Write(), "--train=" + test.Path("empty.data")}), 60);
  ExpectRefused(run, AnyOf(1, 2));
  EXPECT_THAT(run.err, HasSubstr("empty.data"));
}

TEST(BadDataTest, SkipsCountsAndShowsTheFirstMalformedRowOfEachKind) {
  TestJob test("adult_wide_deep");
  test.job().mutable_data()->set_max_bad_fraction(0.05);
  const std::string data = WithBadRows(test, {kBadAge, kBadLabel, kTooShort, kBadAge});
  const ProcessResult run = RunProcess(UnderMpirun(4, {"train", test.Write(), "--epochs=1", "--train=" + data}), 120);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  const std::string said = run.out + run.err;
  // The bad rows stand at the lines 6, 17, 28, 39.
  EXPECT_THAT(said, HasSubstr(data + ":17:"));
  EXPECT_THAT(said, HasSubstr(data + ":28:"));
  // Of two of a kind the one that a worker read first: rows are shuffled.
  const std::string shown = run.out.find("bad row: ") != std::string::npos ? run.out : run.err;
  EXPECT_NE(shown.find("bad row: " + data + ":6:") == std::string::npos,
            shown.find("bad row: " + data + ":39:") == std::string::npos)
      << shown;
  EXPECT_THAT(said, AllOf(HasSubstr("age"), HasSubstr("income"))) << "names the columns";
}

TEST(BadDataTest, FailsWhenTooManyRowsAreMalformed) {
  TestJob test("adult_wide_deep");
  const std::string data = WithBadRows(test, std::vector<std::string>(100, kBadAge));
  const ProcessResult run = RunProcess(UnderMpirun(4, {"train", test.Write(), "--epochs=1", "--train=" + data}), 120);
  ExpectRefused(run, 1);
  EXPECT_THAT(run.err, HasSubstr("max_bad_fraction"));
}

TEST(BadDataTest, ChecksAJobAndItsFirstRowsWithoutTraining) {
  TestJob test("adult_wide_deep");
  ProcessResult run = RunProcess(OneProcess({"check", test.Write()}), 60);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  const std::string data = WithBadRows(test, std::vector<std::string>(100, kBadLabel));
  run = RunProcess(OneProcess({"check", test.Write(), "--train=" + data}), 60);
  ExpectRefused(run, AnyOf(1, 2));
  EXPECT_THAT(run.out + run.err, HasSubstr(data + ":6:"));
}

TEST(BadCheckpointTest, RefusesACheckpointOfAnotherModelAndOneThatIsNoCheckpoint) {
  TestJob test("adult_wide_deep");
  test.Shorten(2000);
  test.job().mutable_checkpoint()->set_dir(test.Path("checkpoints"));
  ASSERT_EQ(RunProcess(OneProcess({"train", test.Write(), "--epochs=1"}), 120).exit_code, 0);
  test.job().mutable_model()->set_embedding_dim(9);
  ProcessResult run = RunProcess(UnderMpirun(3, {"eval", test.Write()}), 60);
  ExpectRefused(run, AnyOf(1, 2));
  EXPECT_THAT(run.err, AllOf(HasSubstr("another model"), HasSubstr("embedding_dim")));
  run = RunProcess(UnderMpirun(3, {"eval", test.Write(), "--checkpoint=" + test.Path("nowhere")}), 60);
  ExpectRefused(run, AnyOf(1, 2));
  EXPECT_THAT(run.err, HasSubstr(test.Path("nowhere")));
}

}  // namespace
}  // namespace sherd
