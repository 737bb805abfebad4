#include "base/read_ahead.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/hash.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

class ReadAheadTest : public testing::Test {
 protected:
  ReadAheadTest() {
    std::string name = (std::filesystem::temp_directory_path() / "sherd-ahead-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    for (std::uint64_t i = 0; text_.size() < 300'007; ++i) text_ += std::to_string(Mix(i));
    text_.resize(300'007);
    EXPECT_TRUE(WriteFileAtomically(path(), text_).ok());
  }
  ~ReadAheadTest() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/f"; }

  std::string folder_, text_;
};

TEST_F(ReadAheadTest, GivesThePartInOrderWhateverIsAskedForAtOnce) {
  const auto file = FileReader::Open(path()).value();
  for (const std::size_t begin : {0ul, 1ul, 4096ul, 70'001ul, 300'006ul, 300'007ul}) {
    for (const std::size_t end : {begin, begin + 5000, text_.size()}) {
      if (end > text_.size()) continue;
      ReadAhead ahead(*file, begin, end, 8192);
      std::string read;
      for (std::uint64_t i = 0; read.size() < end - begin; ++i) {
        std::string piece(std::min<std::size_t>(end - begin - read.size(), Mix(i) % 30'000), '\0');
        ASSERT_TRUE(ahead.Read(std::as_writable_bytes(std::span(piece))).ok());
        read += piece;
        ASSERT_EQ(ahead.position(), begin + read.size());
      }
      EXPECT_TRUE(read == text_.substr(begin, end - begin)) << begin << " " << end;
    }
  }
}

TEST_F(ReadAheadTest, MayEndBeforeAllIsTaken) {
  const auto file = FileReader::Open(path()).value();
  ReadAhead ahead(*file, 0, text_.size(), 4096);
  std::string piece(10'000, '\0');
  EXPECT_TRUE(ahead.Read(std::as_writable_bytes(std::span(piece))).ok());
}

TEST_F(ReadAheadTest, AFileThatHasBecomeShorterIsAnErrorWhereItEnds) {
  const auto file = FileReader::Open(path()).value();
  ASSERT_EQ(truncate(path().c_str(), 100'000), 0);
  ReadAhead ahead(*file, 10, text_.size(), 8192);
  std::string piece(90'000, '\0');
  EXPECT_TRUE(ahead.Read(std::as_writable_bytes(std::span(piece))).ok());
  EXPECT_TRUE(piece == text_.substr(10, 90'000));
  EXPECT_THAT(ahead.Read(std::as_writable_bytes(std::span(piece))).text(), HasSubstr("byte 100000"));
}

}  // namespace
}  // namespace sherd
