#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/hash.h"
#include "tests/base/faulty_file_system.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string name = (std::filesystem::temp_directory_path() / "sherd-file-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~FileTest() override { std::filesystem::remove_all(folder_); }
  std::string Path(const std::string& name) const { return JoinPath(folder_, name); }
  std::size_t Count() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  std::string folder_;
};

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST_F(FileTest, AtomicWriteReplacesAndLeavesNothingBeside) {
  ASSERT_TRUE(WriteFileAtomically(Path("manifest"), "first, the longer one").ok());
  ASSERT_TRUE(WriteFileAtomically(Path("manifest"), "second").ok());
  EXPECT_EQ(ReadFile(Path("manifest")).value(), "second");
  EXPECT_EQ(Count(), 1u);
}

TEST_F(FileTest, AFailedAtomicWriteKeepsTheOldFile) {
  ASSERT_TRUE(WriteFileAtomically(Path("manifest"), "old").ok());
  // What the write goes through is taken by a folder, so it cannot succeed, root or not.
  std::filesystem::create_directory(Path("manifest.new"));
  const Status status = WriteFileAtomically(Path("manifest"), "new");
  EXPECT_EQ(status.code(), ErrorCode::kIo);
  EXPECT_THAT(status.text(), HasSubstr("manifest.new"));
  EXPECT_EQ(ReadFile(Path("manifest")).value(), "old");
}

TEST_F(FileTest, AReaderThroughTheRenameKeepsTheOldContents) {
  ASSERT_TRUE(WriteFileAtomically(Path("f"), "old").ok());
  auto reader = FileReader::Open(Path("f")).value();
  ASSERT_TRUE(WriteFileAtomically(Path("f"), "new").ok());
  std::string text(3, ' ');
  ASSERT_TRUE(reader->ReadAt(0, std::as_writable_bytes(std::span(text))).ok());
  EXPECT_EQ(text, "old");
}

TEST_F(FileTest, WriterKeepsSizeAndChecksumAcrossItsBuffer) {
  std::string all;
  auto writer = FileWriter::Create(Path("data")).value();
  for (int i = 0; i < 300; ++i) {
    const std::string piece(static_cast<std::size_t>(i) * 40, static_cast<char>('a' + i % 26));
    all += piece;
    ASSERT_TRUE(writer->Append(Bytes(piece)).ok());
  }
  ASSERT_GT(all.size(), std::size_t{1} << 20);
  EXPECT_EQ(writer->size(), all.size());
  EXPECT_EQ(writer->crc(), Crc32c(Bytes(all)));
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(ReadFile(Path("data")).value(), all);
}

TEST_F(FileTest, DirectWritesGiveTheSameFileWhateverItsSize) {
  std::string all;
  for (std::uint64_t i = 0; all.size() < (std::size_t{9} << 20); ++i) all += std::to_string(Mix(i));
  for (const std::size_t size : {0ul, 1ul, 4096ul, 4ul << 20, (4ul << 20) + 1, (8ul << 20) + 5000, all.size()}) {
    auto writer = FileWriter::Create(Path("data"), FileWriter::Caching::kDirect).value();
    const std::string text = all.substr(0, size);
    for (std::size_t i = 0; i < size; i += 1'500'007) {
      ASSERT_TRUE(writer->Append(Bytes(std::string_view(text).substr(i, 1'500'007))).ok());
    }
    ASSERT_TRUE(writer->Finish().ok());
    EXPECT_EQ(writer->crc(), Crc32c(Bytes(text)));
    EXPECT_TRUE(ReadFile(Path("data")).value() == text) << size;
  }
}

TEST_F(FileTest, ADiskThatTakesAPartOfAWriteGetsTheRest) {
  class Reluctant : public FileSystem {
    ssize_t Write(int descriptor, std::span<const std::byte> bytes) override {
      if (++calls_ % 3 == 0) return errno = EINTR, -1;
      return FileSystem::Write(descriptor, bytes.first(std::min<std::size_t>(bytes.size(), calls_ % 2 * 7000 + 777)));
    }
    std::size_t calls_ = 0;
  } reluctant;
  const FileSystemReplacement replacement(&reluctant);
  const std::string text(5'000'001, 'x');
  auto writer = FileWriter::Create(Path("data"), FileWriter::Caching::kDirect).value();
  ASSERT_TRUE(writer->Append(Bytes(text)).ok());
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_TRUE(ReadFile(Path("data")).value() == text);
}

TEST_F(FileTest, WhicheverCallOfAnAtomicWriteFailsTheOldFileOrTheNewOneIsThere) {
  for (std::int64_t call = 0;; ++call) {
    ASSERT_TRUE(WriteFileAtomically(Path("f"), "old").ok());
    FaultyFileSystem files;
    files.fail_at = call;
    Status status;
    {
      const FileSystemReplacement replacement(&files);
      status = WriteFileAtomically(Path("f"), "new");
    }
    const std::string text = ReadFile(Path("f")).value();
    if (files.calls() <= call) break;  // all of them have had their turn
    EXPECT_TRUE(text == "new" || (text == "old" && !status.ok())) << call << ": " << text;
    EXPECT_EQ(status.ok(), call == 7) << call << ": only the close behind the folder's sync is of no account";
  }
}

TEST_F(FileTest, ReadingPastTheEndIsBadDataThatNamesFileAndPlace) {
  ASSERT_TRUE(WriteFileAtomically(Path("short"), "0123456789").ok());
  auto reader = FileReader::Open(Path("short")).value();
  EXPECT_EQ(reader->size(), 10u);
  std::string text(4, ' ');
  ASSERT_TRUE(reader->ReadAt(6, std::as_writable_bytes(std::span(text))).ok());
  EXPECT_EQ(text, "6789");
  const Status status = reader->ReadAt(7, std::as_writable_bytes(std::span(text)));
  EXPECT_EQ(status.code(), ErrorCode::kBadData);
  EXPECT_THAT(status.text(), HasSubstr(Path("short")));
  EXPECT_THAT(status.text(), HasSubstr("byte 10"));
  EXPECT_TRUE(reader->ReadAt(10, {}).ok());
  EXPECT_FALSE(reader->ReadAt(1ull << 40, std::as_writable_bytes(std::span(text))).ok());
}

TEST_F(FileTest, WhatIsNotAFileIsNotFound) {
  EXPECT_EQ(ReadFile(Path("none")).status().code(), ErrorCode::kNotFound);
  EXPECT_EQ(ReadFile(folder_).status().code(), ErrorCode::kNotFound);
  EXPECT_EQ(FileWriter::Create(Path("no/such/folder")).status().code(), ErrorCode::kIo);
}

TEST_F(FileTest, FoldersAreMadeAndRemovedWithAllTheyHold) {
  ASSERT_TRUE(MakeDirectory(Path("a/b/c")).ok());
  ASSERT_TRUE(MakeDirectory(Path("a/b/c")).ok());
  ASSERT_TRUE(WriteFileAtomically(Path("a/b/c/file"), "x").ok());
  EXPECT_EQ(MakeDirectory(Path("a/b/c/file/d")).code(), ErrorCode::kIo);
  ASSERT_TRUE(RemoveTree(Path("a")).ok());
  EXPECT_EQ(Count(), 0u);
  EXPECT_TRUE(RemoveTree(Path("a")).ok());
}

TEST_F(FileTest, FoldersAreMadeWhateverTheirPathLooksLike) {
  ASSERT_TRUE(MakeDirectory(Path("a/b/")).ok());
  ASSERT_TRUE(MakeDirectory(Path("a/./c/../d")).ok());
  EXPECT_TRUE(std::filesystem::is_directory(Path("a/b")));
  EXPECT_TRUE(std::filesystem::is_directory(Path("a/d")));
  EXPECT_TRUE(MakeDirectory("/").ok());
  EXPECT_TRUE(SyncDirectory(Path("a")).ok());
  EXPECT_EQ(SyncDirectory(Path("none")).code(), ErrorCode::kIo);
}

TEST(Path, JoinsAndSplits) {
  EXPECT_EQ(DirectoryOf("job.pbtxt"), ".");
  EXPECT_EQ(DirectoryOf("jobs/job.pbtxt"), "jobs");
  EXPECT_EQ(DirectoryOf("/job.pbtxt"), "/");
  EXPECT_EQ(JoinPath("jobs", "data.txt"), "jobs/data.txt");
  EXPECT_EQ(JoinPath("jobs", "/data.txt"), "/data.txt");
}

}  // namespace
}  // namespace sherd
