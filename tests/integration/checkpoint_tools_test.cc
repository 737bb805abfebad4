// `sherd checkpoint …` on checkpoints of real training, as a user runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

class CheckpointToolsTest : public ::testing::TestWithParam<int> {
 protected:
  // Trains one epoch on some servers; checkpoints go to Path("job").
  CheckpointToolsTest() : test_("adult_deepfm") {
    test_.Shorten(16000);
    test_.job().mutable_train()->set_batch_size(64);
    test_.job().mutable_train()->set_epochs(1);
    test_.job().mutable_train()->set_consistency(proto::Train::BSP);
    test_.job().mutable_checkpoint()->set_dir(test_.Path("job"));
    const ProcessResult trained =
        RunProcess(OneProcess({"train", test_.Write(), "--servers=" + std::to_string(GetParam())}), 100);
    EXPECT_EQ(trained.exit_code, 0) << trained.err;
  }
  ProcessResult Run(std::vector<std::string> words, int exit_code = 0) {
    words.insert(words.begin(), "checkpoint");
    ProcessResult result = RunProcess(OneProcess(words), 100);
    EXPECT_EQ(result.exit_code, exit_code) << result.out << result.err;
    return result;
  }
  double AucOf(const std::string& checkpoint) {
    const std::string metrics = test_.Path("metrics");
    const ProcessResult result =
        RunProcess(OneProcess({"eval", "--checkpoint=" + checkpoint, "--metrics=" + metrics}), 100);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return DoneMetric(metrics, "test", "auc");
  }

  TestJob test_;
};

TEST_P(CheckpointToolsTest, ReshardedThereAndBackItHasTheSameBytes) {
  const std::string job = test_.Path("job"), there = test_.Path("there"), back = test_.Path("back");
  Run({"verify", job});
  Run({"reshard", job, there, "--shards=2"});
  Run({"reshard", there, back, "--shards=" + std::to_string(GetParam())});
  Run({"verify", there, back});
  Run({"diff", job, there});
  const std::string original = test_.Path("job/checkpoint-000001");
  for (int shard = 0; shard < GetParam(); ++shard) {
    const std::string name = "/shard-" + std::to_string(shard) + ".sherd";
    EXPECT_TRUE(ReadOrDie(original + name) == ReadOrDie(back + name)) << shard;
  }
}

TEST_P(CheckpointToolsTest, TrainingGoesOnFromAReshardedOneToTheSameBits) {
  test_.job().mutable_train()->set_epochs(2);
  const std::string job = test_.Write(), twin = test_.Path("twin");
  std::filesystem::copy(test_.Path("job"), twin, std::filesystem::copy_options::recursive);
  Run({"reshard", twin, twin + "/checkpoint-000002", "--shards=5"});
  for (const std::string& dir : {test_.Path("job"), twin}) {
    const ProcessResult rest =
        RunProcess(OneProcess({"train", job, "--resume", "--servers=2", "--checkpoint_dir=" + dir}), 100);
    ASSERT_EQ(rest.exit_code, 0) << rest.err;
    EXPECT_THAT(rest.out, HasSubstr("resuming from"));
  }
  EXPECT_TRUE(CheckpointContents(test_.Path("job")) == CheckpointContents(twin));
  Run({"diff", test_.Path("job"), twin});
}

TEST_P(CheckpointToolsTest, ACastOneIsEvaluatedAlmostAsWell) {
  const double full = AucOf(test_.Path("job/checkpoint-000001"));
  EXPECT_GT(full, 0.7);
  for (const std::string precision : {"bf16", "fp16", "int8"}) {
    const std::string out = test_.Path(precision);
    Run({"cast", test_.Path("job"), out, "--precision=" + precision});
    EXPECT_NEAR(AucOf(out), full, 0.01) << precision;
    Run({"diff", test_.Path("job"), out}, 1);
    EXPECT_THAT(Run({"show", out}).out, ContainsRegex("as (BF16|FP16|INT8): keys"));
  }
}

TEST_P(CheckpointToolsTest, ARowIsShownByWhatTheDataSays) {
  EXPECT_THAT(Run({"show", test_.Path("job"), "--token=education=Bachelors"}).out, HasSubstr("a row, FP32"));
  EXPECT_THAT(Run({"show", test_.Path("job"), "--token=age_bucket=39"}).out, HasSubstr("a row, FP32"));
  EXPECT_THAT(Run({"show", test_.Path("job"), "--token=workclass=?"}).out, HasSubstr("a row, FP32"));
  EXPECT_THAT(Run({"show", test_.Path("job"), "--token=education=Kindergarten"}, 1).out, HasSubstr("no row"));
}

TEST_P(CheckpointToolsTest, DamageIsFoundByVerifyAndByResuming) {
  const std::string file = test_.Path("job/checkpoint-000001/shard-0.sherd");
  std::string bytes = ReadOrDie(file);
  bytes[bytes.size() / 2] ^= 16;
  std::ofstream(file, std::ios::binary) << bytes;
  const ProcessResult verified = Run({"verify", test_.Path("job")}, 1);
  EXPECT_THAT(verified.out, ContainsRegex("DAMAGED  shard-0.sherd.*block [0-9]+ of slot [0-9]+ at byte"));
  EXPECT_THAT(verified.err, HasSubstr("damaged: 1 of " + std::to_string(GetParam() + 1) + " files"));
  Run({"reshard", test_.Path("job"), test_.Path("out"), "--shards=2"}, 1);
  EXPECT_FALSE(std::filesystem::exists(test_.Path("out")));
}

INSTANTIATE_TEST_SUITE_P(Servers, CheckpointToolsTest, ::testing::Values(1, 3),
                         [](const auto& info) { return std::to_string(info.param) + "Servers"; });

}  // namespace
}  // namespace sherd
