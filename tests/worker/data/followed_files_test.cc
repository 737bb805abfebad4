#include "worker/data/followed_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "tests/worker/data/data_testing.h"
#include "tests/worker/data/row_file_testing.h"
#include "worker/data/row_file_writer.h"
#include "worker/data/tf_record.h"

namespace sherd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

proto::Job FollowingJob(const TemporaryFolder& folder, const std::string& files) {
  return ParseTestJob("data { format: DELIMITED data_dir: '" + folder.path() + "' follow { files: '" + files +
                      "' } delimited { label: 'y' column { name: 'y' } column { name: 'id' } } } "
                      "feature { column: 'id' } train { batch_size: 16 }");
}

void SetTime(const std::string& path, std::int64_t seconds) {
  const timespec times[2] = {{seconds, 0}, {seconds, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

TEST(FindFollowedFiles, InTheOrderInWhichTheyCameWithoutWhatIsUnfinished) {
  const TemporaryFolder folder;
  SetTime(folder.Write("b.csv", "1,x\n"), 100);
  SetTime(folder.Write("a.csv", "1,x\n"), 200);
  SetTime(folder.Write("c.csv", "1,x\n"), 200);
  for (const char* name : {".d.csv", "d.csv.partial", "d.csv.new", "d.csv.tmp"}) folder.Write(name, "1,x\n");
  std::filesystem::create_directory(folder.path() + "/e.csv");
  folder.Write("f.txt", "1,x\n");
  const auto found = FindFollowedFiles(FollowingJob(folder, "*.csv").data());
  EXPECT_THAT(found->names, ElementsAre("b.csv", "a.csv", "c.csv"));
  EXPECT_EQ(found->folder, "");
}

TEST(FindFollowedFiles, AFolderMeansAllOfItsFiles) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() + "/in");
  folder.Write("in/x", "1,x\n");
  folder.Write("in/x.tmp", "1,x\n");
  const auto found = FindFollowedFiles(FollowingJob(folder, "in").data());
  EXPECT_THAT(found->names, ElementsAre("x"));
  EXPECT_EQ(found->folder, "in/");
  EXPECT_THAT(FindFollowedFiles(FollowingJob(folder, "out/*").data()).status().text(),
              HasSubstr("/out/: the folder is not there"));
}

std::string Rows(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += std::to_string(i % 2) + ",token" + std::to_string(i) + "\n";
  return text;
}

// One dataset cuts, another one reads, as at the scheduler and at a worker.
TEST(FollowedFiles, AnyDatasetReadsTheChunksThatOneHasCut) {
  const TemporaryFolder folder;
  OpenedData scheduler(FollowingJob(folder, "*")), worker(FollowingJob(folder, "*"));
  const std::vector<std::string> names{folder.Write("plain", Rows(2500)), folder.Write("packed", Gzip(Rows(2500)))};
  for (std::uint32_t file = 0; file < 2; ++file) {
    auto chunks = scheduler->ChunksOfNewFile(file == 0 ? "plain" : "packed", 100 + file, 3).value();
    EXPECT_EQ(chunks.size() > 1, file == 0);
    std::vector<Key> keys;
    for (const proto::Chunk& chunk : chunks) {
      EXPECT_EQ(chunk.file(), 100 + file);
      for (const Minibatch& minibatch : worker.Read(chunk, 7)) {
        for (const ReadRow& row : RowsOf(minibatch, worker.layout())) keys.push_back(row.keys[0][0][0]);
      }
    }
    std::vector<Key> expected;
    for (int i = 0; i < 2500; ++i) expected.push_back(HashBytes("token" + std::to_string(i), HashBytes("id")));
    std::ranges::sort(keys);
    std::ranges::sort(expected);
    EXPECT_EQ(keys, expected);
    EXPECT_EQ(worker->FileName(proto::Chunk::TRAIN, 100 + file), names[file]);
  }
}

TEST(FollowedFiles, AnEmptyOneHasNoChunksAndAWrongOneIsNamed) {
  const TemporaryFolder folder;
  OpenedData data(FollowingJob(folder, "*"));
  folder.Write("empty", "");
  EXPECT_EQ(data->ChunksOfNewFile("empty", 9, 1)->size(), 0u);
  folder.Write("wrong", "a\nb\n");
  EXPECT_THAT(data->ChunksOfNewFile("wrong", 9, 1).status().text(),
              HasSubstr("/wrong: no row of the file can be read"));
  EXPECT_EQ(data->ChunksOfNewFile("gone", 9, 1).status().code(), ErrorCode::kNotFound);
}

TEST(FollowedFiles, OneThatIsShorterThanItWasIsNotReadAsIfItWereWhole) {
  const TemporaryFolder folder;
  OpenedData scheduler(FollowingJob(folder, "*")), worker(FollowingJob(folder, "*"));
  folder.Write("log", Rows(100));
  const proto::Chunk last = scheduler->ChunksOfNewFile("log", 5, 1)->back();
  folder.Write("log", Rows(50));
  const auto reader = worker->Read(last, 0, 0);
  EXPECT_EQ(reader.status().code(), ErrorCode::kBadData);
  EXPECT_THAT(reader.status().text(), HasSubstr("/log: the file is shorter than it was"));
}

// What is left of a file's rows when they are told from one another by a key each.
std::vector<Key> KeysOf(OpenedData* data, const std::vector<proto::Chunk>& chunks) {
  std::vector<Key> keys;
  for (const proto::Chunk& chunk : chunks) {
    for (const Minibatch& minibatch : data->Read(chunk, 7)) {
      for (const ReadRow& row : RowsOf(minibatch, data->layout())) keys.push_back(row.keys[0][0][0]);
    }
  }
  std::ranges::sort(keys);
  return keys;
}

std::vector<Key> KeysOfRows(int count) {
  std::vector<Key> keys;
  for (int i = 0; i < count; ++i) keys.push_back(TokenKey(HashBytes("id"), "token" + std::to_string(i)));
  std::ranges::sort(keys);
  return keys;
}

class FollowedRowFiles : public testing::Test {
 protected:
  // The rows as a row file of blocks of 64.
  void Write(const std::string& name, int rows, bool keys = true) const {
    folder_.Write(".text", Rows(rows));
    RowFileWriter::Options options;
    options.block_rows = 64;
    WriteRowFile(text_job_, ".text", folder_.path() + "/" + name, SchemaOf(text_job_, keys), options);
  }

  const TemporaryFolder folder_;
  const proto::Job text_job_ = FollowingJob(folder_, "*");
  OpenedData scheduler_{OnRowFiles(text_job_)}, worker_{OnRowFiles(text_job_)};
};

TEST_F(FollowedRowFiles, AnyDatasetReadsTheChunksThatOneHasCut) {
  Write("keys", 2500);
  Write("tokens", 1000, false);  // other columns than the file before
  const auto keys = scheduler_->ChunksOfNewFile("keys", 100, 3).value();
  const auto tokens = scheduler_->ChunksOfNewFile("tokens", 101, 3).value();
  EXPECT_GT(keys.size(), 3u);
  EXPECT_EQ(keys[0].path(), "keys");
  EXPECT_EQ(KeysOf(&worker_, keys), KeysOfRows(2500));
  EXPECT_EQ(KeysOf(&worker_, tokens), KeysOfRows(1000));
  EXPECT_EQ(worker_->FileName(proto::Chunk::TRAIN, 101), folder_.path() + "/tokens");
}

// After the loss of a worker, or a resumption, the same minibatches are made again from any of them on.
TEST_F(FollowedRowFiles, AChunkHasTheSameMinibatchesWhoeverReadsIt) {
  Write("rows", 640);
  const proto::Chunk chunk = scheduler_->ChunksOfNewFile("rows", 9, 1)->front();
  const auto whole = scheduler_.Read(chunk, 3), rest = worker_.Read(chunk, 3, 1);
  ASSERT_EQ(rest.size() + 1, whole.size());
  for (std::size_t i = 0; i < rest.size(); ++i) EXPECT_EQ(rest[i].tables[0].keys, whole[i + 1].tables[0].keys);
}

TEST_F(FollowedRowFiles, AnEmptyOneHasNoChunksAndAWrongOneIsNamed) {
  folder_.Write("empty", "");
  EXPECT_EQ(scheduler_->ChunksOfNewFile("empty", 9, 1)->size(), 0u);
  ASSERT_TRUE(RowFileWriter::Create(folder_.path() + "/no_rows", SchemaOf(text_job_, true), {}).value()->Finish().ok());
  EXPECT_EQ(scheduler_->ChunksOfNewFile("no_rows", 9, 1)->size(), 0u);
  folder_.Write("text", Rows(3));
  EXPECT_THAT(scheduler_->ChunksOfNewFile("text", 9, 1).status().text(), HasSubstr("/text"));
  proto::RowFileSchema other;
  other.add_column()->set_name("x");
  other.mutable_column(0)->set_kind(proto::RowFileColumn::KEY);
  const auto writer = RowFileWriter::Create(folder_.path() + "/other", other, {}).value();
  Row row;
  row.values = {{"token", 0}};
  ASSERT_TRUE(writer->Append(row).ok());
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_THAT(scheduler_->ChunksOfNewFile("other", 9, 1).status().text(),
              AllOf(HasSubstr("/other"), HasSubstr("there is no column \"id\"")));
}

TEST_F(FollowedRowFiles, OneThatWasReplacedIsNotReadAsIfItWereTheSame) {
  Write("rows", 1000);
  const proto::Chunk last = scheduler_->ChunksOfNewFile("rows", 5, 3)->back();
  Write("rows", 500);
  const auto reader = worker_->Read(last, 0, 0);
  EXPECT_EQ(reader.status().code(), ErrorCode::kBadData);
  EXPECT_THAT(reader.status().text(), HasSubstr("/rows: the file has other blocks than it had when it came"));
}

TEST(FollowedTfRecords, AnyDatasetReadsTheChunksThatOneHasCut) {
  const TemporaryFolder folder;
  proto::Job job = FollowingJob(folder, "*");
  job.mutable_data()->set_format(proto::Data::TF_RECORD);
  OpenedData scheduler(job), worker(job);
  std::string records;
  TfExampleWriter example;
  for (std::int64_t i = 0; i < 2500; ++i) {
    example.Add("y", i % 2);
    example.Add("id", "token" + std::to_string(i));
    example.Finish(&records);
  }
  folder.Write("plain", records);
  folder.Write("packed", Gzip(records));
  folder.Write("empty", "");
  folder.Write("cut", records.substr(0, records.size() / 2 + 1));
  const auto plain = scheduler->ChunksOfNewFile("plain", 100, 3).value();
  EXPECT_GT(plain.size(), 3u);
  EXPECT_EQ(KeysOf(&worker, plain), KeysOfRows(2500));
  EXPECT_EQ(KeysOf(&worker, scheduler->ChunksOfNewFile("packed", 101, 3).value()), KeysOfRows(2500));
  EXPECT_EQ(scheduler->ChunksOfNewFile("empty", 102, 3)->size(), 0u);
  EXPECT_THAT(scheduler->ChunksOfNewFile("cut", 103, 3).status().text(), HasSubstr("is cut short by the end"));
  folder.Write("plain", records.substr(0, records.size() / 2));
  OpenedData late(job);
  EXPECT_THAT(late->Read(plain.back(), 0, 0).status().text(), HasSubstr("/plain: the file is shorter than it was"));
}

}  // namespace
}  // namespace sherd
