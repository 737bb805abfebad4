// Every format of text, plain and compressed, against the mishaps of docs/data.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/worker/data/data_testing.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

struct Format {
  const char* name;
  const char* settings;  // of data
  const char* features;
  std::string (*line)(int i, const std::string& token);  // a row with this token
  const char* bad_line;
  const char* bad_column;
};

std::string CriteoLine(int i, const std::string& token) {
  std::string line = std::to_string(i % 2);
  for (int c = 1; c <= 13; ++c) line += "\t" + std::to_string(i * c);
  for (int c = 1; c <= 26; ++c) line += "\t" + (c == 1 ? token : "t" + std::to_string(c));
  return line;
}

const Format kFormats[] = {
    {"delimited",
     "format: DELIMITED delimited { label: 'y' column { name: 'y' } column { name: 'n' type: INTEGER } column { name: "
     "'a' } }",
     "feature { column: 'n' bucket {} } feature { column: 'a' }",
     [](int i, const std::string& token) { return std::to_string(i % 2) + "," + std::to_string(i) + "," + token; },
     "1,x,a", ": column n"},
    {"criteo", "format: CRITEO_TSV", "feature { column: 'I1..I13' bucket {} } feature { column: 'C1..C26' }",
     CriteoLine, "1\tx", ""},
    {"libsvm", "format: LIBSVM", "feature { column: 'features' }",
     [](int i, const std::string& token) {
       return std::to_string(i % 2) + " " + std::to_string(i) + ":1 " + token + ":0.5";
     },
     "1 x", ": column features"},
    {"libffm", "format: LIBFFM libffm { fields: 2 }", "feature { column: 'F0' } feature { column: 'F1' }",
     [](int i, const std::string& token) {
       return std::to_string(i % 2) + " 0:" + std::to_string(i) + ":1 1:" + token + ":2";
     },
     "1 2:x:1", ": column features"},
    {"json",
     "format: JSON_LINES delimited { label: 'y' column { name: 'y' } column { name: 'n' type: INTEGER } column { name: "
     "'a' } }",
     "feature { column: 'n' bucket {} } feature { column: 'a' }",
     [](int i, const std::string& token) {
       return "{\"y\":" + std::to_string(i % 2) + ",\"n\":" + std::to_string(i) + ",\"a\":\"" + token + "\"}";
     },
     "{\"y\":1,\"n\":\"x\"}", ": column n"},
};

class FormatMishaps : public ::testing::TestWithParam<Format> {
 protected:
  proto::Job Job(const std::string& more, int batch_size = 50) const {
    return ParseTestJob(std::string("data { data_dir: '") + folder_.path() + "' " + GetParam().settings + " " + more +
                        " } " + GetParam().features + " train { batch_size: " + std::to_string(batch_size) + " }");
  }
  std::string Text(int rows, const std::string& newline) const {
    std::string text;
    for (int i = 0; i < rows; ++i) text += GetParam().line(i, "t" + std::to_string(i)) + newline;
    return text;
  }
  // Without their ids, which are their places.
  std::vector<ReadRow> Read(const std::string& bytes, const std::string& memory) const {
    folder_.Write("t", bytes);
    OpenedData data(Job("test: 't' in_memory_bytes: " + memory));
    auto rows = data.ReadAll(proto::Chunk::TEST, 0, 3);
    for (ReadRow& row : rows) row.id = 0;
    EXPECT_EQ(data->counts().bad_rows, 0u);
    return rows;
  }
  // What reading a whole set ends with.
  static Status ReadToTheEnd(const proto::Job& job) {
    const FeatureLayout layout = FeatureLayout::Make(job).value();
    const auto data = Dataset::Open(job, layout, {});
    if (!data.ok()) return data.status();
    const auto chunks = (*data)->Chunks(proto::Chunk::TEST, 0, 1);
    if (!chunks.ok()) return chunks.status();
    for (const proto::Chunk& chunk : *chunks) {
      const auto reader = (*data)->Read(chunk, 0, 0);
      if (!reader.ok()) return reader.status();
      Minibatch minibatch;
      Result<bool> more = true;
      while ((more = (*reader)->Next(&minibatch)).ok() && *more) {
      }
      if (!more.ok()) return more.status();
    }
    return {};
  }
  TemporaryFolder folder_;
};

TEST_P(FormatMishaps, LineEndsMarksAndCompressionDoNotChangeRows) {
  const std::string text = Text(1000, "\n");
  const std::vector<ReadRow> expected = Read(text, "268435456");
  ASSERT_EQ(expected.size(), 1000u);
  for (const std::string memory : {"0", "268435456"}) {
    EXPECT_TRUE(Read(text, memory) == expected);
    EXPECT_TRUE(Read(Text(1000, "\r\n"), memory) == expected);
    EXPECT_TRUE(Read("\xef\xbb\xbf" + text, memory) == expected);
    EXPECT_TRUE(Read(text.substr(0, text.size() - 1), memory) == expected);  // the last line has no end
    for (const auto pack : {Gzip, Zstd, Xz}) {
      EXPECT_TRUE(Read(pack("\xef\xbb\xbf" + text), memory) == expected);
      const std::size_t half = text.find('\n', text.size() / 2) - 3;
      EXPECT_TRUE(Read(pack(text.substr(0, half)) + pack(text.substr(half)), memory) == expected);  // two members
    }
  }
}

TEST_P(FormatMishaps, BadAndTooLongRowsAreCountedWithTheirPlaces) {
  const std::string good = GetParam().line(1, "a") + "\n";
  const std::string text = good + GetParam().bad_line + "\n" + good + std::string(100 << 20, 'x') + "\n" + good;
  for (const std::string memory : {"0", "268435456"}) {
    folder_.Write("t", text);
    OpenedData data(Job("test: 't' in_memory_bytes: " + memory));
    EXPECT_EQ(data.ReadAll(proto::Chunk::TEST).size(), 3u);
    const ReadCounts counts = data->counts();
    EXPECT_EQ(counts.rows, 5u);
    ASSERT_EQ(counts.bad_rows, 2u);
    EXPECT_EQ(counts.kinds[0].where(), folder_.path() + "/t:2" + GetParam().bad_column);
    EXPECT_EQ(counts.kinds[1].where(), folder_.path() + "/t:4");
    EXPECT_THAT(counts.kinds[1].reason(), HasSubstr("line of at most 1 MiB"));
  }
}

TEST_P(FormatMishaps, ANulIsAByteOfATokenOrABadRowNeverAnEnd) {
  const std::string token("a\0b", 3);
  folder_.Write("t",
                GetParam().line(1, "a") + "\n" + GetParam().line(1, token) + "\n" + GetParam().line(1, "b") + "\n");
  OpenedData data(Job("test: 't'"));
  const auto rows = data.ReadAll(proto::Chunk::TEST);
  const bool bad = std::string(GetParam().name) == "json";  // which has \u0000 for it
  ASSERT_EQ(rows.size(), bad ? 2u : 3u);
  EXPECT_EQ(data->counts().bad_rows, bad ? 1u : 0u);
  EXPECT_FALSE(rows[0].keys == rows[1].keys);
}

TEST_P(FormatMishaps, CutAndChangedCompressedFilesFail) {
  std::string text;
  TestRandom random(1);
  for (int i = 0; i < 20'000; ++i) text += GetParam().line(i, std::to_string(random.Next(1 << 30))) + "\n";
  for (const auto pack : {Gzip, Zstd, Xz}) {
    const std::string packed = pack(text);
    for (const std::string memory : {"0", "268435456"}) {
      std::string changed = packed;
      changed[packed.size() / 2] ^= 0x55;
      for (const std::string& bytes :
           {packed.substr(0, packed.size() - 5), packed.substr(0, packed.size() * 3 / 4), changed}) {
        folder_.Write("t", bytes);
        const Status status = ReadToTheEnd(Job("test: 't' max_bad_fraction: 1 in_memory_bytes: " + memory));
        EXPECT_EQ(status.code(), ErrorCode::kBadData) << status.text();
        EXPECT_THAT(status.text(), HasSubstr(folder_.path() + "/t: "));
        EXPECT_THAT(status.text(), HasSubstr("of the compressed file"));
      }
    }
  }
}

TEST_P(FormatMishaps, AFileThatShrinksOrVanishesIsNamed) {
  const std::string text = Text(3000, "\n");
  for (const std::string& bytes : {text, Gzip(text)}) {
    const std::string path = folder_.Write("t", bytes);
    OpenedData data(Job("test: 't' in_memory_bytes: 0"));
    const auto chunk = data.Chunks(proto::Chunk::TEST).back();
    folder_.Write("t", bytes.substr(0, bytes.size() / 2));
    const auto reader = data->Read(chunk, 0, 0);
    Minibatch minibatch;
    Status shrunk = reader.status();
    while (shrunk.ok()) {
      const Result<bool> more = (*reader)->Next(&minibatch);
      shrunk = more.status();
      ASSERT_TRUE(!more.ok() || *more) << "the end of a shorter file was taken for its end";
    }
    EXPECT_THAT(shrunk.text(), HasSubstr(path + ": ends at byte"));
    std::filesystem::remove(path);
    EXPECT_THAT(data->Read(chunk, 0, 0).status().text(), HasSubstr(path));
  }
}

TEST_P(FormatMishaps, AFolderStandsForItsFilesInTheOrderOfTheirNames) {
  std::filesystem::create_directories(folder_.path() + "/days/old");
  std::filesystem::create_directories(folder_.path() + "/none/old");
  for (const std::string name : {"2", "10", "1"}) folder_.Write("days/" + name, Text(3, "\n"));
  for (const std::string name : {"_SUCCESS", ".1.crc", "old/0"}) folder_.Write("days/" + name, "no row");
  OpenedData data(Job("train: 'days'"));
  EXPECT_EQ(data.ReadAll(proto::Chunk::TRAIN).size(), 9u);
  EXPECT_EQ(data->FileName(proto::Chunk::TRAIN, 0), folder_.path() + "/days/1");
  EXPECT_EQ(data->FileName(proto::Chunk::TRAIN, 1), folder_.path() + "/days/10");
  EXPECT_EQ(data->FileName(proto::Chunk::TRAIN, 2), folder_.path() + "/days/2");
  EXPECT_THAT(OpenError(Job("train: 'none'")).text(), HasSubstr("/none: the folder has no files"));
  EXPECT_THAT(OpenError(Job("train: 'days/o*'")).text(), HasSubstr("/days/old: is no file"));
  EXPECT_THAT(OpenError(Job("train: 'days/x*'")).text(), HasSubstr("/days/x*: no file matches"));
  EXPECT_THAT(OpenError(Job("train: 'nothing'")).text(), HasSubstr("/nothing: the file is not there"));
}

TEST_P(FormatMishaps, AFileOfOtherColumnsDoesNotOpen) {
  folder_.Write("f1", Text(10, "\n"));
  folder_.Write("f2", "p;q;r;s\n1;2;3;4\n");
  EXPECT_THAT(OpenError(Job("train: 'f*'")).text(), HasSubstr("/f2: no row of the file can be read; the first: "));
}

INSTANTIATE_TEST_SUITE_P(All, FormatMishaps, ::testing::ValuesIn(kFormats),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sherd
