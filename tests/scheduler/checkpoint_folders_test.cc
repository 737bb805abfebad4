#include "scheduler/checkpoint_folders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/manifest.h"

namespace sherd {
namespace {

using ::testing::UnorderedElementsAre;

KeepPolicy Keep(std::uint32_t newest) { return {.keep = newest, .keep_every = 0, .best = ""}; }

class CheckpointFoldersTest : public testing::Test {
 protected:
  void SetUp() override {
    // Each test its own: they run side by side.
    dir_ = testing::TempDir() + "/folders-" + testing::UnitTest::GetInstance()->current_test_info()->name() + "-" +
           std::to_string(getpid());
    ASSERT_TRUE(RemoveTree(dir_).ok());
  }
  void TearDown() override { EXPECT_TRUE(RemoveTree(dir_).ok()); }

  // A checkpoint that is read from these files, of which those without a folder are its own.
  std::string Valid(CheckpointFolders* folders, const std::vector<std::string>& files = {}) {
    std::string folder = *folders->MakeNext();
    proto::Manifest manifest;
    for (const std::string& name : files) {
      const bool own = name.find('/') == std::string::npos;
      EXPECT_TRUE(!own || WriteFileAtomically(JoinPath(folder, name), "rows").ok());
      proto::ShardFile* file = manifest.add_file();
      file->set_name(name);
      file->set_bytes(4);
    }
    EXPECT_TRUE(WriteManifest(folder, manifest).ok());
    return folder;
  }
  // Names of the folders that hold a manifest, and of all.
  std::vector<std::string> Checkpoints() const { return Names("manifest"); }
  std::vector<std::string> Folders() const { return Names(""); }
  std::vector<std::string> Names(const std::string& with) const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir_)) {
      if (std::filesystem::exists(entry.path() / with)) names.push_back(entry.path().filename().string().substr(16));
    }
    return names;
  }
  std::string dir_;
};

TEST_F(CheckpointFoldersTest, KeepsTheNewestAndTheBest) {
  CheckpointFolders folders(dir_);
  const std::string best = Valid(&folders), old = Valid(&folders), torn = *folders.MakeNext();
  const std::string b = Valid(&folders), a = Valid(&folders);
  ASSERT_TRUE(
      folders.Prune({.keep = 2, .keep_every = 0, .best = JoinPath(a, "../") + best.substr(best.rfind('/') + 1)}).ok());
  EXPECT_TRUE(ReadManifest(best).ok());
  EXPECT_FALSE(ReadManifest(old).ok());
  EXPECT_TRUE(ReadManifest(b).ok());
  EXPECT_TRUE(ReadManifest(a).ok());
  EXPECT_FALSE(std::filesystem::exists(torn));
  EXPECT_EQ(*NewestCheckpoint(dir_), a);
}

TEST_F(CheckpointFoldersTest, WhatCanNotBeReadNowStays) {
  CheckpointFolders folders(dir_);
  const std::string best = Valid(&folders), unreadable = Valid(&folders), torn = *folders.MakeNext();
  for (const std::string& folder : {best, unreadable}) {
    ASSERT_TRUE(WriteFileAtomically(JoinPath(folder, "manifest"), "of another version").ok());
  }
  const std::string old = Valid(&folders), newest = Valid(&folders), begun = *folders.MakeNext();
  ASSERT_TRUE(folders.Prune({.keep = 1, .keep_every = 0, .best = best}).ok());
  for (const std::string& folder : {best, unreadable, newest, begun}) {
    EXPECT_TRUE(std::filesystem::exists(folder)) << folder;
  }
  for (const std::string& folder : {torn, old}) EXPECT_FALSE(std::filesystem::exists(folder)) << folder;
}

TEST_F(CheckpointFoldersTest, WithoutAValidOneNothingGoes) {
  CheckpointFolders folders(dir_);
  const std::string begun = *folders.MakeNext();
  ASSERT_TRUE(folders.Prune(Keep(1)).ok());
  EXPECT_TRUE(std::filesystem::exists(begun));
}

TEST_F(CheckpointFoldersTest, NumbersAreNeverUsedTwice) {
  CheckpointFolders folders(dir_);
  const std::string first = Valid(&folders);
  ASSERT_TRUE(folders.Prune(Keep(1)).ok());
  const std::string second = Valid(&folders);
  CheckpointFolders later(dir_);  // another run
  EXPECT_GT(*later.MakeNext(), second);
}

TEST_F(CheckpointFoldersTest, TheNewestValidOneWins) {
  EXPECT_EQ(NewestCheckpoint(dir_).status().code(), ErrorCode::kNotFound);
  CheckpointFolders folders(dir_);
  const std::string valid = Valid(&folders, {"a"});
  const std::string torn = *folders.MakeNext(), cut_off = Valid(&folders, {"a"});
  ASSERT_TRUE(WriteFileAtomically(JoinPath(cut_off, "a"), "row").ok());
  EXPECT_EQ(*NewestCheckpoint(dir_), valid);
}

// Of the first chain and of the second: a full file, then deltas.
TEST_F(CheckpointFoldersTest, WhatAKeptOneBuildsOnStaysWithoutItsManifest) {
  CheckpointFolders folders(dir_);
  Valid(&folders, {"a"});
  Valid(&folders, {"../checkpoint-000001/a", "a"});
  Valid(&folders, {"../checkpoint-000001/a", "../checkpoint-000002/a", "a"});
  Valid(&folders, {"a", "b"});
  Valid(&folders, {"../checkpoint-000004/a", "a", "b"});
  Valid(&folders, {"../checkpoint-000004/a", "../checkpoint-000005/a", "a", "../checkpoint-000005/b"});
  const auto names = folders.Prune(Keep(2));
  ASSERT_TRUE(names.ok());
  // The third shares no file with the sixth.
  EXPECT_THAT(Checkpoints(), UnorderedElementsAre("3", "5", "6"));
  EXPECT_THAT(Folders(), UnorderedElementsAre("1", "2", "3", "4", "5", "6"));
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/checkpoint-000004/b")) << "no kept one needs it";
  for (const char* digit : {"3", "5", "6"}) {
    EXPECT_TRUE(OpenCheckpoint(dir_ + "/checkpoint-00000" + digit).ok()) << digit;
  }
  EXPECT_EQ(names->size(), 6u);

  ASSERT_TRUE(folders.Prune(Keep(1)).ok());
  EXPECT_THAT(Checkpoints(), UnorderedElementsAre("6"));
  EXPECT_THAT(Folders(), UnorderedElementsAre("4", "5", "6"));
  EXPECT_TRUE(OpenCheckpoint(dir_ + "/checkpoint-000006").ok());
}

TEST_F(CheckpointFoldersTest, TheBestKeepsItsChain) {
  CheckpointFolders folders(dir_);
  Valid(&folders, {"a"});
  const std::string best = Valid(&folders, {"../checkpoint-000001/a", "a"});
  Valid(&folders, {"../checkpoint-000001/a", "../checkpoint-000002/a", "a"});
  Valid(&folders, {"a"});
  ASSERT_TRUE(folders.Prune({.keep = 1, .keep_every = 0, .best = best}).ok());
  EXPECT_THAT(Folders(), UnorderedElementsAre("1", "2", "4"));
  EXPECT_TRUE(OpenCheckpoint(best).ok());
}

TEST_F(CheckpointFoldersTest, OfEachSoManyTheFirstIsKeptForGood) {
  CheckpointFolders folders(dir_);
  for (int i = 1; i <= 11; ++i) {
    i == 6 ? (void)*folders.MakeNext() : (void)Valid(&folders);
    ASSERT_TRUE(folders.Prune({.keep = 1, .keep_every = 3, .best = ""}).ok());
  }
  EXPECT_THAT(Checkpoints(), UnorderedElementsAre("3", "7", "9", "1"));  // "1": the last digit of 11
}

TEST_F(CheckpointFoldersTest, DamagedOnesDoNotCount) {
  CheckpointFolders folders(dir_);
  const std::string old = Valid(&folders, {"a"}), good = Valid(&folders, {"a"}), bad = Valid(&folders, {"a"});
  ASSERT_TRUE(RemoveTree(JoinPath(bad, "a")).ok());
  const std::string wrong = Valid(&folders, {"a"}), newest = Valid(&folders, {"a"});
  folders.Distrust(wrong + "/");
  ASSERT_TRUE(folders.Prune(Keep(2)).ok());
  EXPECT_THAT(Checkpoints(), UnorderedElementsAre("2", "3", "4", "5"));
  Valid(&folders, {"a"});
  ASSERT_TRUE(folders.Prune(Keep(2)).ok());
  EXPECT_THAT(Folders(), UnorderedElementsAre("5", "6"));
}

TEST_F(CheckpointFoldersTest, FilesOnServersDisksCountByTheirFolders) {
  CheckpointFolders folders(dir_);
  for (int i = 0; i < 3; ++i) {
    const std::string folder = *folders.MakeNext();
    proto::Manifest manifest;
    for (int from = std::max(i, 1); from <= i + 1; ++from) {
      proto::ShardFile* file = manifest.add_file();
      file->set_name("/local/job/checkpoint-00000" + std::to_string(from) + "/shard-0.sherd");
      file->set_host("elsewhere");
    }
    ASSERT_TRUE(WriteManifest(folder, manifest).ok());
  }
  const auto names = folders.Prune(Keep(1));
  ASSERT_TRUE(names.ok());
  EXPECT_THAT(*names, UnorderedElementsAre("checkpoint-000002", "checkpoint-000003"));
  EXPECT_THAT(Folders(), UnorderedElementsAre("3"));
}

}  // namespace
}  // namespace sherd
