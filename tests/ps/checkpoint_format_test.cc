// A reader that was written from docs/checkpoint_format.md alone, in another language, agrees with the writer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "ps/checkpoint_writer.h"
#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

// What the reader prints, and what it says of an error.
std::string ReadByPython(const std::string& path, int* result) {
  const std::string command = "python3 " SHERD_SOURCE_DIR "/tests/ps/read_shard_file.py '" + path + "' 2>&1";
  FILE* const pipe = popen(command.c_str(), "r");
  CHECK(pipe != nullptr);
  std::string text;
  char buffer[65536];
  for (std::size_t n; (n = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) text.append(buffer, n);
  *result = pclose(pipe);
  return text;
}

std::unique_ptr<ShardCluster> Trained() {
  auto cluster = std::make_unique<ShardCluster>(ShardCluster::Options{.shards = 2});
  cluster->StartEpoch(0, 0, {0});
  for (std::uint64_t clock = 0; clock < 5; ++clock) cluster->PushAll(0, clock);
  return cluster;
}

std::vector<float> FloatsOf(std::istringstream& line) {
  std::vector<float> floats;
  for (std::string word; line >> word;) floats.push_back(std::strtof(word.c_str(), nullptr));
  return floats;
}

TEST(CheckpointFormatTest, AReaderByTheDocumentAloneFindsTheSameKeysAndWeights) {
  const auto cluster = Trained();
  Contents read;
  for (std::uint32_t shard = 0; shard < 2; ++shard) {
    TemporaryFolder folder;
    const auto file = WriteShardFile(&cluster->shard(shard).store(), folder.path());
    ASSERT_TRUE(file.ok()) << file.status().text();
    int result = 0;
    std::istringstream text(ReadByPython(JoinPath(folder.path(), file->name()), &result));
    ASSERT_EQ(result, 0) << text.str();
    for (std::string line; std::getline(text, line);) {
      std::istringstream words(line);
      std::string kind, name;
      std::uint64_t key = 0;
      words >> kind >> name >> key;
      const int table = name == "deep" ? 1 : name == "tower/0/mean" ? -2 : kind == "dense" ? -1 : 0;
      EXPECT_TRUE(read.emplace(std::make_pair(table, key), FloatsOf(words)).second);
    }
  }
  Contents expected = cluster->contents();
  for (auto& [place, floats] : expected) {
    if (place.first >= 0) floats.resize(place.first == 0 ? 1 : 5);  // the weights
  }
  ASSERT_GT(expected.size(), 300u);
  EXPECT_TRUE(read == expected);
}

TEST(CheckpointFormatTest, ItFindsDamageAndPassesOverFrames) {
  const auto cluster = Trained();
  TemporaryFolder folder;
  const auto file = WriteShardFile(&cluster->shard(0).store(), folder.path(), /*compress=*/true);
  ASSERT_TRUE(file.ok()) << file.status().text();
  const std::string path = JoinPath(folder.path(), file->name());
  int result = 0;
  EXPECT_THAT(ReadByPython(path, &result), HasSubstr("zstd "));
  EXPECT_EQ(result, 0);
  std::string bad = ReadFile(path).value();
  bad[bad.size() / 2] ^= 1;
  ASSERT_TRUE(WriteFileAtomically(path, bad).ok());
  EXPECT_THAT(ReadByPython(path, &result), HasSubstr("checksum"));
  EXPECT_NE(result, 0);
}

}  // namespace
}  // namespace sherd
