#include "base/record_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/file.h"

namespace sherd {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

std::string Path(const std::string& name) { return testing::TempDir() + "/record_file_test_" + name; }

std::string Bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void Put(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

const std::vector<std::string> kRecords = {"first", "", std::string("a\0b", 3), "the last of them"};

// Where each record ends in the file, after its begin.
std::vector<std::size_t> Write(const std::string& path) {
  auto file = RecordFile::Create(path, kRecords[0]);
  EXPECT_TRUE(file.ok()) << file.status().text();
  std::vector<std::size_t> ends = {Bytes(path).size()};
  for (std::size_t i = 1; i < kRecords.size(); ++i) {
    EXPECT_TRUE((*file)->Append(kRecords[i]).ok());
    ends.push_back(Bytes(path).size());
  }
  return ends;
}

TEST(RecordFileTest, WhatWasAppendedIsRead) {
  const std::string path = Path("append");
  Write(path);
  EXPECT_THAT(ReadRecords(path).value(), ElementsAreArray(kRecords));
}

TEST(RecordFileTest, CutAnywhereItHasTheRecordsBeforeTheCut) {
  const std::string path = Path("cut");
  const std::vector<std::size_t> ends = Write(path);
  const std::string whole = Bytes(path);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Put(path, whole.substr(0, size));
    const auto records = ReadRecords(path);
    ASSERT_TRUE(records.ok()) << size << ": " << records.status().text();
    const auto count = std::count_if(ends.begin(), ends.end(), [&](std::size_t end) { return end <= size; });
    EXPECT_THAT(*records, ElementsAreArray(kRecords.begin(), kRecords.begin() + count)) << size;
  }
}

TEST(RecordFileTest, NoFlippedByteGoesUnseen) {
  const std::string path = Path("flip");
  Write(path);
  const std::string whole = Bytes(path);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int bit : {0, 7}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      Put(path, bytes);
      EXPECT_EQ(ReadRecords(path).status().code(), ErrorCode::kBadData) << at;
    }
  }
}

TEST(RecordFileTest, AFileIsReplacedAsAWhole) {
  const std::string path = Path("replace");
  Write(path);
  const auto file = RecordFile::Create(path, "anew").value();
  ASSERT_TRUE(file->Append("more").ok());
  EXPECT_THAT(ReadRecords(path).value(), ElementsAre("anew", "more"));
}

TEST(RecordFileTest, OfSeveralWhoMakeItOneHasIt) {
  const std::string path = Path("absent");
  ASSERT_TRUE(RemoveTree(path).ok());
  EXPECT_NE(RecordFile::CreateIfAbsent(path, "mine").value(), nullptr);
  EXPECT_EQ(RecordFile::CreateIfAbsent(path, "yours").value(), nullptr);
  EXPECT_THAT(ReadRecords(path).value(), ElementsAre("mine"));
}

TEST(RecordFileTest, WhatIsNoSuchFileSaysSo) {
  EXPECT_EQ(ReadRecords(Path("nowhere")).status().code(), ErrorCode::kNotFound);
  const std::string path = Path("text");
  Put(path, "a text that is not a file of records");
  EXPECT_THAT(ReadRecords(path).status().text(), HasSubstr("is not a file of records"));
}

}  // namespace
}  // namespace sherd
