#include "launch/checkpoint/prune.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <sstream>

#include "launch/checkpoint/verify.h"
#include "tests/launch/checkpoint/small_checkpoint.h"

namespace sherd {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class PruneTest : public testing::Test {
 protected:
  std::string Prune(const PruneOptions& options) {
    std::ostringstream text;
    const Status status = PruneCheckpoints(job_, options, text);
    EXPECT_TRUE(status.ok()) << status.text();
    return text.str();
  }
  // Relative to the job's folder, sorted.
  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(job_)) {
      if (!entry.is_directory()) files.push_back(std::filesystem::relative(entry.path(), job_).string());
    }
    std::ranges::sort(files);
    return files;
  }
  std::string Folder(int number) const { return job_ + "/checkpoint-00000" + std::to_string(number); }

  TemporaryFolder folder_;
  const std::string job_ = folder_.path() + "/job";
};

TEST_F(PruneTest, OldOnesGoAndADryRunOnlySaysSo) {
  const auto stores = TrainedStores(1);
  for (int i = 1; i <= 4; ++i) WriteCheckpoint(Folder(i), stores);
  const std::vector<std::string> before = Files();
  const std::string dry = Prune({.keep = 2, .keep_every = 0, .dry_run = true});
  EXPECT_EQ(Files(), before);
  EXPECT_THAT(dry, AllOf(HasSubstr("would delete " + Folder(1) + "\n"), HasSubstr("would delete " + Folder(2) + "\n"),
                         Not(HasSubstr("delete " + Folder(3)))));
  const std::string text = Prune({.keep = 2, .keep_every = 0, .dry_run = false});
  EXPECT_THAT(text, AllOf(HasSubstr("deletes " + Folder(1) + "\n"), HasSubstr("deletes " + Folder(2) + "\n")));
  EXPECT_THAT(Files(), ElementsAre("checkpoint-000003/manifest", "checkpoint-000003/shard-0.sherd",
                                   "checkpoint-000004/manifest", "checkpoint-000004/shard-0.sherd"));
}

TEST_F(PruneTest, TheBestOneStays) {
  const auto stores = TrainedStores(1);
  for (int i = 1; i <= 3; ++i) WriteCheckpoint(Folder(i), stores);
  EditManifest(Folder(3),
               [](proto::Manifest* manifest) { manifest->mutable_state()->set_best_checkpoint("checkpoint-000001"); });
  EXPECT_THAT(Prune({.keep = 1, .keep_every = 0, .dry_run = false}), Not(HasSubstr("deletes " + Folder(1))));
  EXPECT_TRUE(std::filesystem::exists(Folder(1) + "/manifest"));
  EXPECT_FALSE(std::filesystem::exists(Folder(2)));
}

TEST_F(PruneTest, WhatTheNewestBuildsOnStays) {
  const auto stores = TrainedStores(1);
  CheckpointChain chain(job_);
  for (std::uint64_t clock = 3; clock < 6; ++clock) {
    TrainOn(stores, clock);
    chain.Write(stores);
  }
  const std::string text = Prune({.keep = 1, .keep_every = 0, .dry_run = false});
  EXPECT_THAT(text, HasSubstr("deletes " + Folder(1) + ", but for the files that others build on"));
  EXPECT_THAT(Files(), ElementsAre("checkpoint-000001/shard-0.sherd", "checkpoint-000002/shard-0.sherd",
                                   "checkpoint-000003/manifest", "checkpoint-000003/shard-0.sherd"));
  std::ostringstream verified;
  EXPECT_TRUE(VerifyCheckpoint(Folder(3), verified).ok()) << verified.str();
}

TEST_F(PruneTest, ACheckpointIsNoJobsFolder) {
  WriteCheckpoint(Folder(1), TrainedStores(1));
  std::ostringstream text;
  EXPECT_EQ(PruneCheckpoints(Folder(1), {}, text).code(), ErrorCode::kInvalid);
  EXPECT_EQ(PruneCheckpoints(folder_.path(), {}, text).code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sherd
