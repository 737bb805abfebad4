#include "worker/data/byte_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/worker/data/data_testing.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using Packer = std::function<std::string(const std::string&)>;

// All bytes, asked for in pieces of `piece`.
Result<std::string> ReadWhole(const std::string& path, std::size_t piece, std::uint64_t size = 0) {
  ASSIGN_OR_RETURN(const Compression compression, DetectCompression(path));
  ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> source, OpenUnpacked(path, compression, size));
  std::string text, buffer(piece, '\0');
  for (;;) {
    ASSIGN_OR_RETURN(const std::size_t n, source->Read(buffer.data(), piece));
    if (n == 0) return text;
    text.append(buffer, 0, n);
  }
}

std::string RandomText(std::uint32_t seed, std::size_t size) {
  TestRandom random(seed);
  std::string text;
  while (text.size() < size) text += "abcdefgh\n\t0123"[random.Next(14)];
  return text;
}

class Packed : public ::testing::TestWithParam<int> {
 protected:
  std::string Pack(const std::string& text) const {
    const Packer packers[] = {[](const std::string& t) { return t; }, Gzip, Zstd, Xz};
    return packers[GetParam()](text);
  }
  bool compressed() const { return GetParam() > 0; }
  TemporaryFolder folder_;
};

TEST_P(Packed, UnpacksToTheTextInPiecesOfAnySize) {
  const std::string text = RandomText(1, 700'000);
  const std::string path = folder_.Write("a.txt", Pack(text));  // the name says nothing of the content
  for (const std::size_t piece : {1000, 65536, 2'000'000}) EXPECT_EQ(ReadWhole(path, piece).value(), text);
}

TEST_P(Packed, PartsOneAfterAnotherAreOneText) {
  const std::string a = RandomText(2, 100'000), b = RandomText(3, 3), c = RandomText(4, 50'000);
  EXPECT_EQ(ReadWhole(folder_.Write("a", Pack(a) + Pack(b) + Pack(c)), 4096).value(), a + b + c);
}

TEST_P(Packed, CutAnywhereItIsAnErrorThatNamesTheFile) {
  if (!compressed()) return;
  const std::string packed = Pack(RandomText(5, 20'000));
  for (std::size_t keep = 6; keep < packed.size(); keep += 1 + packed.size() / 50) {
    const Result<std::string> text = ReadWhole(folder_.Write("cut", packed.substr(0, keep)), 4096);
    ASSERT_FALSE(text.ok()) << keep;
    EXPECT_EQ(text.status().code(), ErrorCode::kBadData);
    EXPECT_THAT(text.status().text(), HasSubstr(folder_.path() + "/cut"));
    EXPECT_THAT(text.status().text(), HasSubstr("at byte "));
  }
}

TEST_P(Packed, AFlippedByteNeverYieldsAnotherText) {
  if (!compressed()) return;
  const std::string text = RandomText(6, 20'000);
  const std::string packed = Pack(text);
  TestRandom random(7);
  int errors = 0;
  for (int i = 0; i < 200; ++i) {
    std::string broken = packed;
    broken[8 + random.Next(broken.size() - 8)] ^= 1 << random.Next(8);
    const Result<std::string> read = ReadWhole(folder_.Write("broken", broken), 4096);
    if (read.ok()) {
      EXPECT_EQ(*read, text);  // a gzip header has bytes that mean nothing
    }
    errors += !read.ok();
  }
  EXPECT_GT(errors, 150);
}

TEST_P(Packed, RandomBytesBehindTheMagicEndInAnError) {
  if (!compressed()) return;
  TestRandom random(8);
  for (int i = 0; i < 100; ++i) {
    std::string bytes = Pack("x").substr(0, 6);
    for (int j = 0; j < 300; ++j) bytes += static_cast<char>(random.Next(256));
    EXPECT_FALSE(ReadWhole(folder_.Write("random", bytes), 512).ok());
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, Packed, ::testing::Range(0, 4));

TEST(FileBytesTest, AFileThatShrankIsAnError) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("a", "0123456789");
  const Result<std::string> text = ReadWhole(path, 4, 20);
  ASSERT_FALSE(text.ok());
  EXPECT_THAT(text.status().text(), HasSubstr(path + ": ends at byte 10, but had 20 bytes"));
}

TEST(FileBytesTest, WhatAFileGrewByIsNotRead) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("a", "0123456789");
  EXPECT_EQ(ReadWhole(path, 4, 6).value(), "012345");
  EXPECT_EQ(ReadWhole(path, 4, 10).value(), "0123456789");
  char byte;
  EXPECT_EQ(OpenFileBytes(path, 8, 6).value()->Read(&byte, 1).value(), 0u);
}

TEST(FileBytesTest, AFileThatVanishedIsAnError) {
  const Result<std::string> text = ReadWhole("/nowhere/to/be/found", 4);
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.status().code(), ErrorCode::kNotFound);
  EXPECT_THAT(text.status().text(), HasSubstr("/nowhere/to/be/found"));
}

}  // namespace
}  // namespace sherd
