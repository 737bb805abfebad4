#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "launch/checkpoint_choice.h"
#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Jobs whose labels are numbers, and what can be asked of their checkpoints.
class RatingTest : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Jobs, RatingTest, ::testing::Values("movielens_mf", "movielens_autorec"));

TEST_P(RatingTest, LearnsTellsBadRatingsAndPredictsWithinTheirRange) {
  TestJob test(GetParam());
  test.Shorten(20000);
  const std::string train = test.job().data().train(0), metrics = test.Path("train.jsonl");
  WriteOrDie(train, ReadOrDie(train) + "7,31,9.5,0\n7,31,two,0\n");
  test.job().mutable_checkpoint()->set_dir(test.Path("checkpoints"));
  test.job().mutable_train()->set_epochs(20);
  const std::string file = test.Write();
  const ProcessResult trained = RunProcess(UnderMpirun(4, {"train", file, "--servers=1", "--metrics=" + metrics}), 200);
  ASSERT_EQ(trained.exit_code, 0) << trained.out << trained.err;
  EXPECT_THAT(trained.left, IsEmpty());
  EXPECT_THAT(trained.out, HasSubstr("within data.label_range expected, got \"9.5\""));
  EXPECT_THAT(trained.out, HasSubstr("got \"two\""));
  EXPECT_LT(DoneMetric(metrics, "eval", "rmse"), 1.03) << "what a constant reaches is 1.05";
  EXPECT_LT(DoneMetric(metrics, "eval", "mae"), DoneMetric(metrics, "eval", "rmse"));

  WriteOrDie(test.Path("rows.csv"),
             "userId,movieId,rating,timestamp\n1,31,2.5,0\n1\n,,,\n99999,31,4,0\n15,99999,3,0\n");
  const std::vector<std::string> arguments = {"predict", file, "--input=" + test.Path("rows.csv"),
                                              "--output=" + test.Path("predictions")};
  const ProcessResult predicted = RunProcess(OneProcess(arguments), 100);
  ASSERT_EQ(predicted.exit_code, 0) << predicted.out << predicted.err;
  const std::vector<std::string> lines = Lines(ReadOrDie(test.Path("predictions")));
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[1], "") << "a bad row";
  for (const std::size_t row : {0u, 3u, 4u}) {  // a user and a film that training has not seen have predictions, too
    EXPECT_GE(std::atof(lines[row].c_str()), 0.5) << row;
    EXPECT_LE(std::atof(lines[row].c_str()), 5) << row;
  }
}

TEST(AgainstTest, ACheckpointIsNoBetterThanItselfAndOtherModelsAreRefused) {
  TestJob test("adult_deepfm");
  test.Shorten(2000);
  test.job().mutable_checkpoint()->set_dir(test.Path("checkpoints"));
  test.job().mutable_train()->set_epochs(1);
  test.job().mutable_evaluation()->set_calibration_buckets(5);
  test.job().mutable_evaluation()->set_bootstrap(100);
  const std::string file = test.Write();
  const ProcessResult trained = RunProcess(OneProcess({"train", file}), 100);
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const std::string checkpoint = ChooseCheckpoint(test.Path("checkpoints")).dir;
  const std::string metrics = test.Path("eval.jsonl");
  const ProcessResult run = RunProcess(
      UnderMpirun(4, {"eval", file, "--checkpoint=" + checkpoint, "--against=" + checkpoint, "--metrics=" + metrics}),
      100);
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  const std::string told = ReadOrDie(metrics);
  EXPECT_THAT(told, HasSubstr("\"auc\":{\"difference\":0,\"low\":0,\"high\":0,\"p\":1}"));
  EXPECT_THAT(told, HasSubstr("\"intervals\":{\"accuracy\":["));
  EXPECT_THAT(run.out, HasSubstr("bucket 5"));
  EXPECT_THAT(run.out, HasSubstr("+0.0000 against it"));

  test.job().mutable_model()->set_embedding_dim(3);
  test.job().mutable_checkpoint()->set_dir(test.Path("others"));
  ASSERT_EQ(RunProcess(OneProcess({"train", test.Write()}), 100).exit_code, 0);
  const std::string other = ChooseCheckpoint(test.Path("others")).dir;
  const ProcessResult refused =
      RunProcess(OneProcess({"eval", test.Write(), "--checkpoint=" + other, "--against=" + checkpoint}), 60);
  EXPECT_EQ(refused.exit_code, 2) << refused.out;
  EXPECT_THAT(refused.err, HasSubstr("--against"));
}

}  // namespace
}  // namespace sherd
