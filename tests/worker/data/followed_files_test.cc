#include "worker/data/followed_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "tests/worker/data/data_testing.h"

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

}  // namespace
}  // namespace sherd
