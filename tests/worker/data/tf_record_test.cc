#include "worker/data/tf_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <filesystem>

#include "tests/worker/data/data_testing.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

// CRC32C bit by bit, and masked as TFRecord has it.
std::uint32_t ReferenceCrc(const std::string& bytes) {
  std::uint32_t crc = ~0u;
  for (const char c : bytes) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int i = 0; i < 8; ++i) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

std::string LittleEndian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

std::string Frame(const std::string& record) {
  const std::string length = LittleEndian(record.size(), 8);
  return length + LittleEndian(ReferenceCrc(length), 4) + record + LittleEndian(ReferenceCrc(record), 4);
}

// A message field of wire type 2.
std::string Field(int number, const std::string& bytes) {
  CHECK_LT(bytes.size(), 128u);
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}

// {y: int64 1, a: bytes "x", n: int64 -7, f: float 0.5}, as TensorFlow writes it (lists of numbers packed) and as older
// writers do (unpacked).
std::string Example(const std::string& a, bool packed) {
  const auto entry = [](const std::string& name, const std::string& feature) {
    return Field(1, Field(1, name) + Field(2, feature));
  };
  const std::string minus_seven = "\xf9\xff\xff\xff\xff\xff\xff\xff\xff\x01", half = LittleEndian(0x3f000000u, 4);
  return Field(1, entry("y", Field(3, packed ? Field(1, "\x01") : "\x08\x01")) + entry("a", Field(1, Field(1, a))) +
                      entry("n", Field(3, packed ? Field(1, minus_seven) : "\x08" + minus_seven)) +
                      entry("f", Field(2, packed ? Field(1, half) : "\x0d" + half)));
}

class TfRecordTest : public ::testing::Test {
 protected:
  proto::Job Job(const std::string& more) const {
    return ParseTestJob("data { format: TF_RECORD data_dir: '" + folder_.path() +
                        "' delimited { label: 'y' column { name: 'y' } column { name: 'a' } "
                        "column { name: 'n' type: INTEGER } column { name: 'f' type: FLOAT } } " +
                        more +
                        " } feature { column: 'a' } feature { column: 'n' bucket {} } "
                        "feature { column: 'f' number { transform: NONE } } train { batch_size: 16 }");
  }
  TemporaryFolder folder_;
};

TEST_F(TfRecordTest, FramesHaveMaskedChecksums) {
  for (const std::string& record : {std::string(), std::string("abc"), std::string(5000, 'z')}) {
    std::string framed;
    AppendTfRecord(record, &framed);
    EXPECT_EQ(framed, Frame(record));
  }
}

TEST_F(TfRecordTest, ExamplesOfBothListFormsAreRead) {
  folder_.Write("t", Frame(Example("x", true)) + Frame(Example("x", false)) + Frame(Example("w", true)));
  OpenedData data(Job("test: 't'"));
  const auto rows = data.ReadAll(proto::Chunk::TEST);
  ASSERT_EQ(rows.size(), 3u);
  for (const ReadRow& row : rows) {
    EXPECT_EQ(row.label, 1);
    EXPECT_EQ(row.numbers, std::vector<float>{0.5f});
    EXPECT_EQ(row.keys[0][1][0], IntegerKey(HashBytes("n"), static_cast<std::uint64_t>(-7)));
  }
  EXPECT_EQ(rows[0].keys[0][0][0], TokenKey(HashBytes("a"), "x"));
  EXPECT_EQ(rows[1].keys, rows[0].keys);
  EXPECT_EQ(rows[2].keys[0][0][0], TokenKey(HashBytes("a"), "w"));
}

TEST_F(TfRecordTest, WhatIsWrittenIsReadHoweverTheFileIsCut) {
  TfExampleWriter writer;
  std::string bytes;
  constexpr int kRows = 2000;
  for (int i = 0; i < kRows; ++i) {
    writer.Add("a", "token " + std::to_string(i));
    writer.Add("y", std::int64_t{i % 2});
    if (i % 3 > 0) writer.Add("n", std::int64_t{i});
    writer.Add("f", static_cast<float>(i) / 8);
    writer.Add("not read", std::string(static_cast<std::size_t>(i % 50), '\n'));
    writer.Finish(&bytes);
  }
  std::vector<std::vector<ReadRow>> all;
  for (const std::string memory : {"0", "268435456"}) {
    for (const auto& packed : {bytes, Gzip(bytes), Zstd(bytes), Xz(bytes)}) {
      folder_.Write("t", packed);
      OpenedData data(Job("train: 't' test: 't' in_memory_bytes: " + memory));
      if (packed == bytes) {
        EXPECT_GT(data.Chunks(proto::Chunk::TRAIN, 0, 4).size(), 8u);
      }
      auto rows = data.ReadAll(proto::Chunk::TEST, 0, 4);
      ASSERT_EQ(rows.size(), static_cast<std::size_t>(kRows));
      auto trained = data.ReadAll(proto::Chunk::TRAIN, 0, 4);
      const auto by_id = [](const ReadRow& a, const ReadRow& b) { return a.id < b.id; };
      std::sort(trained.begin(), trained.end(), by_id);
      auto sorted = rows;
      std::sort(sorted.begin(), sorted.end(), by_id);
      EXPECT_EQ(trained, sorted);
      all.push_back(std::move(rows));
    }
  }
  for (const auto& rows : all) EXPECT_TRUE(rows == all[0]);
  for (int i = 0; i < kRows; ++i) {
    EXPECT_EQ(all[0][i].label, i % 2);
    EXPECT_EQ(all[0][i].numbers[0], static_cast<float>(i) / 8);
    EXPECT_EQ(all[0][i].keys[0][0][0], TokenKey(HashBytes("a"), "token " + std::to_string(i)));
  }
}

TEST_F(TfRecordTest, BadRecordsAreSkippedAndNamedByTheirNumber) {
  std::string damaged = Frame(Example("x", true));
  damaged[30] ^= 1;
  const std::string good = Frame(Example("x", true));
  folder_.Write("t", good + damaged + Frame("no example") + good + Frame(std::string(2 << 20, 'x')) + Frame("") + good);
  for (const std::string memory : {"0", "268435456"}) {
    OpenedData data(Job("test: 't' in_memory_bytes: " + memory));
    EXPECT_EQ(data.ReadAll(proto::Chunk::TEST).size(), 3u);
    std::map<std::string, std::string> places;
    for (const proto::BadRow& kind : data->counts().kinds)
      places[kind.reason().substr(0, kind.reason().find(','))] = kind.where();
    const std::string t = folder_.path() + "/t: record ";
    EXPECT_EQ(places["record that its checksum fits expected"], t + "2");
    EXPECT_EQ(places["tf.Example expected"], t + "3");
    EXPECT_EQ(places["line of at most 1 MiB expected"], t + "5");
    EXPECT_EQ(places["number expected as label"], t + "6: column y");
    EXPECT_EQ(data->counts().rows, 7u);
  }
}

// Those it has still are read; of the others each says what is wrong.
TEST_F(TfRecordTest, AFileThatShrinksOrVanishesWhileItIsReadIsNamed) {
  std::string bytes;
  for (int i = 0; i < 2000; ++i) bytes += Frame(Example("x", true));
  const std::string path = folder_.Write("t", bytes);
  OpenedData data(Job("train: 't' in_memory_bytes: 0"));
  const auto chunks = data.Chunks(proto::Chunk::TRAIN, 0, 4);
  ASSERT_GT(chunks.size(), 8u);
  const std::uint64_t left = bytes.size() / 2 + 7;
  std::filesystem::resize_file(path, left);
  int whole = 0, cut = 0;
  const auto read = [&](const proto::Chunk& chunk) -> Status {
    ASSIGN_OR_RETURN(const auto reader, data->Read(chunk, 0, 0));
    Minibatch minibatch;
    for (bool more = true; more;) {
      ASSIGN_OR_RETURN(more, reader->Next(&minibatch));
    }
    return {};
  };
  for (const proto::Chunk& chunk : chunks) {
    const Status status = read(chunk);
    EXPECT_EQ(status.ok(), chunk.end() <= left) << chunk.begin() << " to " << chunk.end();
    ++(status.ok() ? whole : cut);
    if (status.ok()) continue;
    EXPECT_EQ(status.code(), ErrorCode::kBadData);
    const std::uint64_t end = std::max(chunk.begin(), left);
    EXPECT_THAT(status.text(), HasSubstr(path + ": ends at byte " + std::to_string(end) + ", but had " +
                                         std::to_string(bytes.size()) + " bytes when the job began"));
  }
  EXPECT_GT(whole, 2);
  EXPECT_GT(cut, 2);
  std::filesystem::remove(path);
  const Status gone = read(chunks[0]);
  EXPECT_EQ(gone.code(), ErrorCode::kNotFound);
  EXPECT_THAT(gone.text(), HasSubstr(path + ": the file is not there"));
}

TEST_F(TfRecordTest, OneThatShrinksBeforeItIsTakenIntoMemoryOrUnpackedIsNamed) {
  std::string bytes;
  for (int i = 0; i < 2000; ++i) bytes += Frame(Example("token " + std::to_string(i * 7919), true));
  for (const std::string& stored : {bytes, Gzip(bytes)}) {
    const std::string path = folder_.Write("t", stored);
    OpenedData data(Job("test: 't'"));
    std::filesystem::resize_file(path, stored.size() / 2);
    const Status status = data->Chunks(proto::Chunk::TEST, 0, 1).status();
    EXPECT_EQ(status.code(), ErrorCode::kBadData);
    EXPECT_THAT(status.text(), HasSubstr(path + ": ends at byte " + std::to_string(stored.size() / 2) + ", but had " +
                                         std::to_string(stored.size()) + " bytes when the job began"));
  }
}

TEST_F(TfRecordTest, WithoutAHeaderThatFitsTheFileIsNotReadOn) {
  const std::string good = Frame(Example("x", true));
  std::string broken_header = good + good + good;
  broken_header[2 * good.size() + 3] ^= 1;
  const std::pair<std::string, std::string> cases[] = {
      {broken_header,
       "record 3, at byte " + std::to_string(2 * good.size()) + ", has a header whose checksum does not fit"},
      {good + good.substr(0, 5), "record 2, at byte " + std::to_string(good.size()) + ", is cut short"},
      {good + good.substr(0, good.size() - 1), "record 2, at byte " + std::to_string(good.size()) + ", is cut short"}};
  for (const auto& [bytes, expected] : cases) {
    for (const std::string memory : {"0", "268435456"}) {
      folder_.Write("t", bytes);
      OpenedData data(Job("test: 't' in_memory_bytes: " + memory));
      const Status status = data->Chunks(proto::Chunk::TEST, 0, 1).status();
      EXPECT_EQ(status.code(), ErrorCode::kBadData);
      EXPECT_THAT(status.text(), HasSubstr(folder_.path() + "/t: " + expected));
    }
  }
  folder_.Write("t", "1\t2\t3\nthis is text\n");
  EXPECT_THAT(OpenError(Job("test: 't'")).text(), HasSubstr("/t: record 1, at byte 0, has a header"));
}

}  // namespace
}  // namespace sherd
