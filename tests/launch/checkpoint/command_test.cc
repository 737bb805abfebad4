#include "launch/checkpoint/command.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <sstream>
#include <vector>

#include "base/file.h"
#include "tests/launch/checkpoint/small_checkpoint.h"

namespace sherd {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class CommandTest : public testing::Test {
 protected:
  int Run(const std::vector<std::string>& words) {
    std::ostringstream out, err;
    const int code = RunCheckpointCommand(words, out, err);
    out_ = out.str();
    err_ = err.str();
    return code;
  }
  void ExpectBadUsage(const std::vector<std::string>& words, const std::string& text) {
    EXPECT_EQ(Run(words), 2) << text;
    EXPECT_THAT(err_, HasSubstr(text));
  }

  TemporaryFolder folder_;
  const std::string job_ = folder_.path() + "/job", out_dir_ = folder_.path() + "/out";
  std::string out_, err_;
};

TEST_F(CommandTest, BadUsageSaysWhatToDo) {
  ExpectBadUsage({}, "checkpoint what? There are verify, show, diff, reshard, cast, prune, export");
  ExpectBadUsage({"verfy", "x"}, "did you mean verify?");
  ExpectBadUsage({"verify"}, "usage: sherd checkpoint verify DIR...");
  ExpectBadUsage({"diff", "a"}, "usage: sherd checkpoint diff A B");
  ExpectBadUsage({"diff", "a", "b", "c"}, "usage: sherd checkpoint diff A B");
  ExpectBadUsage({"reshard", "a", "b"}, "--shards: give a number from 1 to 4096");
  ExpectBadUsage({"reshard", "a", "b", "--shards=0"}, "--shards: 0 is not a number from 1 to 4096");
  ExpectBadUsage({"reshard", "a", "b", "--shards"}, "--shards: a value is missing");
  ExpectBadUsage({"reshard", "a", "b", "--shard=3"}, "did you mean shards?");
  ExpectBadUsage({"reshard", "a", "b", "--shards=3", "--shards=4"}, "--shards: is given twice");
  ExpectBadUsage({"cast", "a", "b"}, "--precision=bf16|fp16|fp32|int8");
  ExpectBadUsage({"cast", "a", "b", "--precision=fp8"}, "fp8 is not one of bf16, fp16, fp32, int8");
  ExpectBadUsage({"cast", "a", "b", "--state=int8"}, "int8 is not one of bf16, fp32");
  ExpectBadUsage({"show", "a", "--table=t"}, "Add --key=NUMBER or --token=FEATURE=TEXT");
  ExpectBadUsage({"show", "a", "--token=t"}, "write --token=FEATURE=TEXT, not t");
  ExpectBadUsage({"show", "a", "--key=x"}, "--key: x is not a number");
  ExpectBadUsage({"show", "a", "--key=1", "--token=a=b"}, "not both");
  ExpectBadUsage({"export", "a", "b", "--format=csv"}, "csv is not one of npy, text");
  ExpectBadUsage({"prune", "a"}, "--keep: give a number");
  ExpectBadUsage({"prune", "a", "--keep=1", "--dry_run=maybe"}, "maybe is not true or false");
}

TEST_F(CommandTest, AJobsFolderMeansItsNewestCheckpointAndSaysSo) {
  WriteCheckpoint(job_ + "/checkpoint-000001", TrainedStores(1));
  WriteCheckpoint(job_ + "/checkpoint-000002", TrainedStores(1, 2));
  WriteCheckpoint(job_ + "/checkpoint-000003", TrainedStores(2));
  std::filesystem::remove(job_ + "/checkpoint-000003/shard-1.sherd");
  EXPECT_EQ(Run({"verify", job_}), 0) << err_;
  EXPECT_THAT(out_,
              AllOf(HasSubstr("its newest checkpoint is " + job_ + "/checkpoint-000002\n"),
                    HasSubstr("passing over a checkpoint that is not whole"), HasSubstr("checkpoint-000002 is good")));
  EXPECT_EQ(Run({"show", job_}), 0) << err_;
  EXPECT_EQ(Run({"diff", job_, job_ + "/checkpoint-000002"}), 0) << err_;
}

TEST_F(CommandTest, VerifyGoesOnBehindADamagedOne) {
  WriteCheckpoint(folder_.path() + "/a", TrainedStores(1));
  WriteCheckpoint(folder_.path() + "/b", TrainedStores(1));
  std::filesystem::remove(folder_.path() + "/a/shard-0.sherd");
  EXPECT_EQ(Run({"verify", folder_.path() + "/nothing", folder_.path() + "/a", folder_.path() + "/b"}), 1);
  EXPECT_THAT(err_, AllOf(HasSubstr("/nothing: there is no such folder"), HasSubstr("/a: damaged: 1 of 2 files")));
  EXPECT_THAT(out_, HasSubstr("/b is good"));
}

TEST_F(CommandTest, DiffHasThreeExitCodes) {
  WriteCheckpoint(folder_.path() + "/a", TrainedStores(1));
  WriteCheckpoint(folder_.path() + "/b", TrainedStores(2));
  WriteCheckpoint(folder_.path() + "/c", TrainedStores(2, 2));
  EXPECT_EQ(Run({"diff", folder_.path() + "/a", folder_.path() + "/b"}), 0) << err_;
  EXPECT_EQ(Run({"diff", folder_.path() + "/a", folder_.path() + "/c"}), 1) << err_;
  EXPECT_EQ(Run({"diff", folder_.path() + "/a", folder_.path() + "/nothing"}), 2);
  std::filesystem::remove(folder_.path() + "/c/shard-0.sherd");
  EXPECT_EQ(Run({"diff", folder_.path() + "/a", folder_.path() + "/c"}), 2);
}

TEST_F(CommandTest, EachCommandDoesItsWork) {
  const std::string from = folder_.path() + "/from";
  WriteCheckpoint(from, TrainedStores(1));
  EXPECT_EQ(Run({"reshard", from, out_dir_ + "1", "--shards", "3"}), 0) << err_;
  EXPECT_TRUE(std::filesystem::exists(out_dir_ + "1/shard-2.sherd"));
  EXPECT_EQ(Run({"cast", "--precision=BF16", from, out_dir_ + "2"}), 0) << err_;
  EXPECT_EQ(Run({"verify", out_dir_ + "1", out_dir_ + "2"}), 0) << err_;
  EXPECT_EQ(Run({"export", from, out_dir_ + "3", "--table=cross", "--format=text"}), 0) << err_;
  EXPECT_EQ(Run({"export", from, out_dir_ + "3"}), 2);
  EXPECT_THAT(err_, HasSubstr("name a new folder"));
  EXPECT_EQ(Run({"show", from, "--token=C1=3"}), 0) << err_;
  EXPECT_EQ(Run({"show", from, "--token=C1=no such token"}), 1);
}

}  // namespace
}  // namespace sherd
