#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/worker/data/data_testing.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

class InputFaults : public ::testing::Test {
 protected:
  proto::Job Job(const std::string& more_data, const std::string& more_format = "") const {
    return ParseTestJob("data { format: DELIMITED data_dir: '" + folder_.path() +
                        "' delimited { label: 'y' column { name: 'y' } column { name: 'age' type: INTEGER } "
                        "column { name: 'x' } " +
                        more_format + "} " + more_data +
                        " } feature { column: 'x' } feature { column: 'age' bucket {} } train { batch_size: 4 }");
  }
  TemporaryFolder folder_;
};

TEST_F(InputFaults, MissingFilesNameThePathAndTheFlag) {
  const Status status = OpenError(Job("train: 'none.csv'"));
  EXPECT_EQ(status.code(), ErrorCode::kNotFound);
  EXPECT_THAT(status.text(), HasSubstr(folder_.path() + "/none.csv"));
  EXPECT_THAT(status.text(), HasSubstr("--data_dir"));
  EXPECT_THAT(OpenError(Job("train: 'part-*.csv'")).text(), HasSubstr("part-*.csv: no file matches"));
  EXPECT_THAT(OpenError(Job("train: 'no/folder/*'")).text(), HasSubstr("--data_dir"));
  EXPECT_THAT(OpenError(Job("train: '*'")).text(), HasSubstr("no file matches"));
}

TEST_F(InputFaults, EmptyFilesAndFilesOfTheWrongFormatDoNotOpen) {
  folder_.Write("empty", "");
  folder_.Write("blank", "\n\n  \n");
  folder_.Write("header", "y,age,x\n");
  folder_.Write("wrong", "a b c\nd e f\n");
  folder_.Write("packed", Gzip(""));
  EXPECT_THAT(OpenError(Job("train: 'empty'")).text(), HasSubstr("/empty: the file is empty"));
  EXPECT_THAT(OpenError(Job("train: 'blank'")).text(), HasSubstr("/blank: the file has no rows"));
  EXPECT_THAT(OpenError(Job("train: 'header'", "header: true")).text(), HasSubstr("/header: the file has no rows"));
  EXPECT_THAT(OpenError(Job("train: 'packed'")).text(), HasSubstr("/packed: the file has no rows"));
  const Status wrong = OpenError(Job("train: 'wrong'"));
  EXPECT_EQ(wrong.code(), ErrorCode::kBadData);
  EXPECT_THAT(wrong.text(), HasSubstr("no row of the file can be read; the first: " + folder_.path() + "/wrong:1"));
}

TEST_F(InputFaults, HeadersMayDifferInOrderButNotLackAColumn) {
  folder_.Write("f1", "y,age,x\n1,5,a\n");
  folder_.Write("f2", "more,x,age,y\nm,a,6,0\n");
  OpenedData data(Job("train: 'f*'", "header: true"));
  const auto rows = data.ReadAll(proto::Chunk::TRAIN);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].keys[0][0], rows[1].keys[0][0]);
  folder_.Write("f3", "y,x\n1,a\n");
  EXPECT_THAT(OpenError(Job("train: 'f*'", "header: true")).text(), HasSubstr("/f3: the header has no column \"age\""));
}

TEST_F(InputFaults, GlobsAreSortedAndTakeNothingHidden) {
  for (const std::string name : {"p-2", "p-10", "p-1", ".p-0", "q-1", "p[1]"}) folder_.Write(name, "1,2,a\n");
  OpenedData data(Job("train: 'p-*' test: 'p[?]'"));
  EXPECT_EQ(data->FileName(proto::Chunk::TRAIN, 0), folder_.path() + "/p-1");
  EXPECT_EQ(data->FileName(proto::Chunk::TRAIN, 1), folder_.path() + "/p-10");
  EXPECT_EQ(data->FileName(proto::Chunk::TRAIN, 2), folder_.path() + "/p-2");
  EXPECT_EQ(data.Chunks(proto::Chunk::TRAIN).size(), 3u);
  EXPECT_EQ(data->FileName(proto::Chunk::TEST, 0), folder_.path() + "/p[1]");
}

TEST_F(InputFaults, BadRowsAreSkippedAndCountedByKindWithTheirPlace) {
  std::string text =
      "# not a comment here\n1,5,a\n1,abc,a\n2,5,a\n1,x y,a\n1,5\n1,6,b\n" + std::string(2 << 20, 'z') + "\n0,7,c";
  for (const std::string memory : {"0", "268435456"}) {
    for (const bool packed : {false, true}) {
      folder_.Write("t", packed ? Zstd(text) : text);
      OpenedData data(Job("train: 't' in_memory_bytes: " + memory));
      EXPECT_EQ(data.ReadAll(proto::Chunk::TRAIN).size(), 3u);
      const ReadCounts counts = data->counts();
      EXPECT_EQ(counts.rows, 9u);
      EXPECT_EQ(counts.bad_rows, 6u);
      std::map<std::string, std::pair<std::string, int>> kinds;
      for (const proto::BadRow& kind : counts.kinds) kinds[kind.reason()] = {kind.where(), kind.count()};
      const std::string t = folder_.path() + "/t:";
      // Shuffled, either row may be the first of its kind.
      const bool abc = kinds.count("integer expected, got \"abc\"") == 1;
      EXPECT_EQ(kinds[abc ? "integer expected, got \"abc\"" : "integer expected, got \"x y\""],
                std::make_pair(t + (abc ? "3" : "5") + ": column age", 2));
      EXPECT_EQ(kinds["label 0 or 1 expected, got \"2\""], std::make_pair(t + "4: column y", 1));
      EXPECT_EQ(kinds["line of at most 1 MiB expected, got \"\""], std::make_pair(t + "8", 1));
      EXPECT_EQ(counts.kinds.size(), 4u);  // with two rows of the wrong number of columns
    }
  }
}

TEST_F(InputFaults, PredictingAFileOfBadRowsStillTellsHowManyThereWere) {
  folder_.Write("t", "bad\nworse\n\nworst\n");
  OpenedData data(Job("test: 't'"), {.predict = true});
  const auto minibatches = data.Read(data.Chunks(proto::Chunk::TEST)[0]);
  ASSERT_EQ(minibatches.size(), 1u);
  EXPECT_EQ(minibatches[0].rows, 0u);
  EXPECT_EQ(minibatches[0].source_rows_read, 3u);
}

TEST_F(InputFaults, ALongRunOfBadRowsFailsUnlessItIsAllowedOrPredicted) {
  std::string text = "1,5,a\n";
  for (int i = 0; i < 120'000; ++i) text += "1,bad,a\n";
  folder_.Write("t", text + "1,6,b\n");
  const auto read = [&](const std::string& more, Dataset::Options options) {
    proto::Job job = Job("test: 't' " + more);
    job.mutable_train()->set_batch_size(200'000);  // all in one chunk
    OpenedData data(job, options);
    const auto reader = data->Read(data.Chunks(proto::Chunk::TEST)[0], 0, 0).value();
    Minibatch minibatch;
    return reader->Next(&minibatch).status();
  };
  for (const std::string memory : {"", "in_memory_bytes: 0"}) {
    const Status status = read(memory, {});
    EXPECT_EQ(status.code(), ErrorCode::kBadData);
    EXPECT_THAT(status.text(), HasSubstr("100001 malformed rows one after another"));
    EXPECT_THAT(status.text(),
                HasSubstr("; the first: " + folder_.path() + "/t:2: column age: integer expected, got \"bad\""));
    EXPECT_TRUE(read(memory + " max_bad_fraction: 1", {}).ok());
    EXPECT_TRUE(read(memory, {.predict = true}).ok());
  }
}

TEST_F(InputFaults, CorruptFilesFailWhereTheyAreReadAndNameThemselves) {
  std::string text;
  TestRandom random(1);
  for (int i = 0; i < 200'000; ++i) text += "1," + std::to_string(random.Next(1000000)) + ",a\n";
  for (const auto& packed : {Gzip(text), Zstd(text), Xz(text)}) {
    for (const std::string memory : {"0", "268435456"}) {
      std::string broken = packed;
      broken.resize(broken.size() - broken.size() / 4);
      folder_.Write("t", broken);
      OpenedData data(ParseTestJob("data { format: DELIMITED data_dir: '" + folder_.path() +
                                   "' test: 't' in_memory_bytes: " + memory +
                                   " delimited { label: 'y' column { name: 'y' } column { name: 'n' } "
                                   "column { name: 'x' } } } feature { column: 'x' }"));
      const auto chunks = data->Chunks(proto::Chunk::TEST, 0, 1);
      Status status = chunks.status();
      if (status.ok()) {
        const auto reader = data->Read((*chunks)[0], 0, 0).value();
        Minibatch minibatch;
        Result<bool> more = true;
        while ((more = reader->Next(&minibatch)).ok() && *more) {
        }
        status = more.status();
      }
      EXPECT_EQ(status.code(), ErrorCode::kBadData);
      EXPECT_THAT(status.text(), HasSubstr(folder_.path() + "/t: "));
    }
  }
}

TEST_F(InputFaults, AFileThatVanishesOrShrinksIsNamed) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "1,5,a\n";
  const std::string path = folder_.Write("t", text);
  OpenedData data(Job("train: 't' in_memory_bytes: 0"));
  const auto chunks = data.Chunks(proto::Chunk::TRAIN);
  folder_.Write("t", text.substr(0, 600));
  const auto reader = data->Read(chunks.back(), 0, 0);
  Minibatch minibatch;
  const Status shrunk = reader.ok() ? (*reader)->Next(&minibatch).status() : reader.status();
  EXPECT_FALSE(shrunk.ok());
  EXPECT_THAT(shrunk.text(), HasSubstr(path + ": ends at byte"));
  std::filesystem::remove(path);
  const auto vanished = data->Read(chunks[0], 0, 0);
  ASSERT_FALSE(vanished.ok());
  EXPECT_THAT(vanished.status().text(), HasSubstr(path));
}

TEST_F(InputFaults, AFileOfTinyRowsWhosePlacesDoNotFitInMemoryIsStreamed) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "1,,\n";
  folder_.Write("t", Gzip(text));
  for (const bool fits : {false, true}) {
    const std::size_t room = text.size() + 1000 * 16 - !fits;
    OpenedData data(Job("train: 't' in_memory_bytes: " + std::to_string(room)));
    EXPECT_EQ(data.Chunks(proto::Chunk::TRAIN)[0].in_memory(), fits);
    EXPECT_EQ(data.ReadAll(proto::Chunk::TRAIN).size(), 1000u);
  }
}

TEST_F(InputFaults, ChunksOfOtherFilesAreRefused) {
  folder_.Write("t", "1,5,a\n0,6,b\n");
  OpenedData data(Job("train: 't'"));
  proto::Chunk chunk = data.Chunks(proto::Chunk::TRAIN)[0];
  chunk.set_end(3);
  EXPECT_FALSE(data->Read(chunk, 0, 0).ok());
  chunk.set_end(2);
  chunk.set_file(1);
  EXPECT_FALSE(data->Read(chunk, 0, 0).ok());
  chunk.set_file(0);
  chunk.set_in_memory(false);
  EXPECT_FALSE(data->Read(chunk, 0, 0).ok());
}

TEST_F(InputFaults, CheckingTheFirstRowsFindsTheBadOnes) {
  folder_.Write("t", "1,5,a\n1,b,a\n1,c,a\n1,6,a\n");
  folder_.Write("good", "1,5,a\n");
  OpenedData data(Job("train: 'good' test: 't'"));
  const Status status = data->CheckFirstRows(3);
  EXPECT_THAT(status.text(), HasSubstr("/t:2: column age: integer expected, got \"b\""));
  OpenedData tolerant(Job("train: 't' max_bad_fraction: 0.5"));
  EXPECT_TRUE(tolerant->CheckFirstRows(4).ok());
}

TEST_F(InputFaults, SettingsThatCannotBeAreNamed) {
  folder_.Write("t", "1,5,a\n");
  EXPECT_THAT(OpenError(Job("train: 't'", "delimiter: ';;'")).text(), HasSubstr("data.delimited.delimiter"));
  EXPECT_THAT(OpenError(Job("train: 't'", "positive: 'a'")).text(), HasSubstr("positive and negative"));
  EXPECT_THAT(OpenError(Job("train: 't'", "weight: 'w'")).text(), HasSubstr("no column \"w\""));
  proto::Job job = Job("train: 't'");
  job.mutable_evaluation()->set_group_by("nobody");
  EXPECT_THAT(OpenError(job).text(), HasSubstr("evaluation.group_by: there is no column \"nobody\""));
}

}  // namespace
}  // namespace sherd
