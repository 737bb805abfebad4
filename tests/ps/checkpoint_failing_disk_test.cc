// Shards write their files and the manifest is written, on a disk where one call fails: the error says where and why,
// the checkpoint before is untouched, nothing partial stays, and the next attempt is as good as any. And on one whose
// power is cut between two calls: what was written before is there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "base/file.h"
#include "base/manifest.h"
#include "ps/checkpoint_loader.h"
#include "ps/checkpoint_reader.h"
#include "tests/base/faulty_file_system.h"
#include "tests/ps/shard_cluster.h"
#include "tests/testing/volatile_disk.h"

namespace sherd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

// Calls are interrupted by signals, or do a part of what was asked for.
class InterruptedFileSystem : public FileSystem {
 public:
  ssize_t Write(int descriptor, std::span<const std::byte> bytes) override {
    if (++calls_ % 2 == 1) return errno = EINTR, -1;
    return FileSystem::Write(descriptor, bytes.first(bytes.size() - bytes.size() / 3));
  }
  int calls() const { return calls_; }

 private:
  int calls_ = 0;
};

// The folder goes before the n-th call.
class VanishingFolder : public FileSystem {
 public:
  VanishingFolder(std::string folder, int call) : folder_(std::move(folder)), left_(call) {}

  int Open(const std::string& path, int flags) override { return Count(), FileSystem::Open(path, flags); }
  ssize_t Write(int descriptor, std::span<const std::byte> bytes) override {
    return Count(), FileSystem::Write(descriptor, bytes);
  }
  int Sync(int) override { return Count(), 0; }
  int Rename(const std::string& from, const std::string& to) override { return Count(), FileSystem::Rename(from, to); }
  bool vanished() const { return left_ < 0; }

 private:
  void Count() {
    if (left_-- == 0) fs::remove_all(folder_);
  }

  const std::string folder_;
  std::atomic<int> left_;
};

class CheckpointFailingDiskTest : public ::testing::Test {
 protected:
  CheckpointFailingDiskTest() : cluster_({.shards = 2, .consistency = proto::Train::BSP}) {
    cluster_.StartEpoch(0, 0, {0, 1});
    Train();
    CHECK(WriteOnSoundDisk(older_).ok());
    older_contents_ = cluster_.contents();
    Train();
  }

  void Train() {
    for (std::uint64_t until = clock_ + 2; clock_ < until; ++clock_) {
      cluster_.PushAll(0, clock_);
      cluster_.PushAll(1, clock_);
    }
  }

  // As the scheduler does, in whose place the shards are asked one after the other.
  Status Write(const std::string& dir) {
    written_.clear();
    RETURN_IF_ERROR(MakeDirectory(dir));
    proto::OpenCut cut;
    cut.set_cut(++last_cut_);
    cut.set_dir(dir);
    cut.set_deltas_follow(true);
    proto::Manifest manifest;
    manifest.set_version(1);
    for (std::uint32_t i = 0; i < cluster_.shards(); ++i) {
      ASSIGN_OR_RETURN(*manifest.add_file(), WriteCut(i, cut));
    }
    RETURN_IF_ERROR(WriteManifest(dir, manifest));
    return SyncDirectory(DirectoryOf(dir));
  }

  Status WriteOnSoundDisk(const std::string& dir) {
    FaultyFileSystem sound;
    const FileSystemReplacement replacement(&sound);
    return Write(dir);
  }

  Result<proto::ShardFile> WriteCut(std::uint32_t shard, const proto::OpenCut& cut) {
    EXPECT_EQ(cluster_.Control(shard, proto::OPEN_CUT, cut).header.code(), proto::OK);
    for (const std::uint32_t worker : {0u, 1u}) {
      EXPECT_EQ(cluster_.Code(shard, cluster_.Mark(shard, worker, cut.cut())), proto::OK);
    }
    const Message answer = cluster_.Control(shard, proto::AWAIT_CUT, cut);
    if (answer.header.code() != proto::OK) return Status(ErrorCode::kIo, answer.header.text());
    proto::ShardFile file;
    RETURN_IF_ERROR(ParseBody(answer, &file));
    written_.insert(file.name());
    return file;
  }

  static Contents Load(const std::string& dir) {
    ShardCluster restored({.shards = 1, .consistency = proto::Train::BSP});
    const Status loaded = LoadShard(dir, &restored.shard(0).store());
    EXPECT_TRUE(loaded.ok()) << loaded.text();
    return restored.contents();
  }

  // The files of a folder that nobody has reported as written.
  std::set<std::string> PartialFiles(const std::string& dir) const {
    std::set<std::string> names;
    std::error_code error;
    for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
      names.insert(it->path().filename().string());
    }
    for (const std::string& name : written_) names.erase(name);
    names.erase("manifest");
    return names;
  }

  std::int64_t CallsOfAnAttempt() {
    FaultyFileSystem files;
    CHECK(TryOn(&files).ok());
    return files.calls();
  }

  // An attempt on a disk that is faulty, and the same on a sound one.
  Status TryOn(FileSystem* files) {
    const std::string dir = folder_.path() + "/checkpoint-" + std::to_string(++attempts_);
    Train();
    Status status;
    {
      const FileSystemReplacement replacement(files);
      status = Write(dir);
    }
    EXPECT_THAT(PartialFiles(dir), ::testing::IsEmpty());
    if (status.ok()) {
      EXPECT_TRUE(Load(dir) == cluster_.contents());
    } else {
      EXPECT_THAT(status.text(), HasSubstr(folder_.path()));
      EXPECT_TRUE(Load(older_) == older_contents_);
      const Status again = WriteOnSoundDisk(dir);
      EXPECT_TRUE(again.ok()) << again.text();
      EXPECT_TRUE(Load(dir) == cluster_.contents());
    }
    return status;
  }

  TemporaryFolder folder_;
  const std::string older_ = folder_.path() + "/checkpoint-0";
  ShardCluster cluster_;
  Contents older_contents_;
  std::uint64_t clock_ = 0;
  std::uint32_t last_cut_ = 0;
  std::set<std::string> written_;  // files of the last attempt
  int attempts_ = 0;
};

TEST_F(CheckpointFailingDiskTest, EachCallInTurn) {
  const std::int64_t calls = CallsOfAnAttempt();
  int failed = 0;
  for (std::int64_t call = 0; call < calls; ++call) {
    SCOPED_TRACE("call " + std::to_string(call));
    FaultyFileSystem files;
    files.fail_at = call;
    files.error = std::array{EIO, ENOSPC, EACCES}[static_cast<std::size_t>(call % 3)];
    const Status status = TryOn(&files);
    if (status.ok()) continue;
    ++failed;
    EXPECT_THAT(status.text(), HasSubstr(std::strerror(files.error)));
  }
  // In the place of a direct open comes another; a folder that can not be closed is nothing lost.
  EXPECT_GE(failed, 20);
  EXPECT_GE(failed, calls - 8);
}

TEST_F(CheckpointFailingDiskTest, EachCallInTurnAndAllAfterIt) {
  const std::int64_t calls = CallsOfAnAttempt();
  for (std::int64_t call = 0; call + 1 < calls; ++call) {
    SCOPED_TRACE("call " + std::to_string(call));
    FaultyFileSystem files;
    files.fail_at = call;
    files.go_on = true;
    const std::string dir = folder_.path() + "/broken";
    {
      const FileSystemReplacement replacement(&files);
      EXPECT_THAT(Write(dir).text(), AllOf(HasSubstr(folder_.path()), HasSubstr(std::strerror(EIO))));
    }
    EXPECT_TRUE(Load(older_) == older_contents_);
    ASSERT_TRUE(RemoveTree(dir).ok());
  }
}

TEST_F(CheckpointFailingDiskTest, FullAfterSoManyBytes) {
  bool whole = false;
  for (std::int64_t room = 0; !whole; room = room * 2 + 1) {
    SCOPED_TRACE("room for " + std::to_string(room));
    FaultyFileSystem files;
    files.room = room;
    const Status status = TryOn(&files);
    whole = status.ok();
    EXPECT_THAT(status.text(), HasSubstr(whole ? "" : std::strerror(ENOSPC)));
    ASSERT_LT(room, 100'000'000);
  }
}

TEST_F(CheckpointFailingDiskTest, WritesThatAreInterruptedOrShortGoOn) {
  InterruptedFileSystem files;
  const Status status = TryOn(&files);
  EXPECT_TRUE(status.ok()) << status.text();
  EXPECT_GT(files.calls(), 10);
}

TEST_F(CheckpointFailingDiskTest, AFolderThatVanishesBetweenTwoCalls) {
  int failed = 0;
  for (int call = 0;; ++call) {
    SCOPED_TRACE("before call " + std::to_string(call));
    const std::string dir = folder_.path() + "/vanishing";
    VanishingFolder files(dir, call);
    Status status;
    {
      const FileSystemReplacement replacement(&files);
      status = Write(dir);
    }
    if (!files.vanished()) break;
    EXPECT_TRUE(Load(older_) == older_contents_);
    if (status.ok()) {
      // The next shard has made it anew, or all was written already: what is missing is found by whoever loads it.
      EXPECT_THAT(CheckpointReader::Open(dir).status().text(), HasSubstr(dir));
    } else {
      ++failed;
      EXPECT_THAT(status.text(), HasSubstr(dir));
    }
    ASSERT_TRUE(RemoveTree(dir).ok());
  }
  ASSERT_TRUE(WriteOnSoundDisk(folder_.path() + "/vanishing").ok());
  EXPECT_TRUE(Load(folder_.path() + "/vanishing") == cluster_.contents());
  EXPECT_GT(failed, 5);
}

TEST_F(CheckpointFailingDiskTest, WhenThePowerIsCutWhatWasWrittenIsThereAndWhatIsThereIsWhole) {
  const std::string root = folder_.path() + "/disk", left = folder_.path() + "/left";
  fs::create_directory(root);
  const auto name = [](std::uint64_t number) { return "/checkpoint-" + std::to_string(number); };
  std::map<std::uint64_t, Contents> contents;
  std::uint64_t written = 0;
  int changes = 0;
  VolatileDisk disk(root);
  disk.before_change = [&] {
    ++changes;
    for (int early = 0; early < 8; ++early) {
      SCOPED_TRACE("before change " + std::to_string(changes) + ", written early: " + std::to_string(early));
      disk.CutPower(left, {.contents = (early & 1) != 0, .added = (early & 2) != 0, .removed = (early & 4) != 0});
      for (const auto& [number, expected] : contents) {
        const bool there = fs::exists(left + name(number) + "/manifest");
        EXPECT_TRUE(there || number > written) << number;
        EXPECT_TRUE(!there || Load(left + name(number)) == expected);
      }
    }
  };
  const FileSystemReplacement replacement(&disk);
  for (std::uint64_t number = 1; number <= 2; ++number) {
    Train();
    contents[number] = cluster_.contents();
    const Status status = Write(root + name(number));
    ASSERT_TRUE(status.ok()) << status.text();
    written = number;
  }
  ASSERT_TRUE(MakeDirectory(root + "/last").ok());  // one more moment
  EXPECT_GT(changes, 20);
}

}  // namespace
}  // namespace sherd
