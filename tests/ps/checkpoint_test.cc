#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/manifest.h"
#include "ps/checkpoint_loader.h"
#include "ps/checkpoint_reader.h"
#include "ps/checkpoint_writer.h"
#include "ps/shard_file.h"
#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A cluster that has trained a little.
std::unique_ptr<ShardCluster> Trained(std::uint32_t shards) {
  auto cluster =
      std::make_unique<ShardCluster>(ShardCluster::Options{.shards = shards, .consistency = proto::Train::BSP});
  cluster->StartEpoch(0, 0, {0, 1});
  for (std::uint64_t clock = 0; clock < 10; ++clock) cluster->PushAll(0, clock), cluster->PushAll(1, clock);
  return cluster;
}

void Save(ShardCluster* cluster, const std::string& dir) {
  proto::Manifest manifest;
  manifest.set_version(1);
  for (std::uint32_t i = 0; i < cluster->shards(); ++i) {
    const auto file = WriteShardFile(&cluster->shard(i).store(), dir);
    ASSERT_TRUE(file.ok()) << file.status().text();
    *manifest.add_file() = *file;
  }
  ASSERT_TRUE(WriteManifest(dir, manifest).ok());
}

proto::StatusCode Load(ShardCluster* cluster, const std::string& dir, std::string* text = nullptr) {
  proto::LoadCheckpoint load;
  load.set_dir(dir);
  for (std::uint32_t i = 0; i < cluster->shards(); ++i) {
    const Message reply = cluster->Control(i, proto::LOAD, load);
    if (text != nullptr) *text = reply.header.text();
    if (reply.header.code() != proto::OK) return reply.header.code();
  }
  return proto::OK;
}

void Overwrite(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

TEST(CheckpointTest, AnyNumberOfShardsRestoresWhatAnyOtherWrote) {
  for (const std::uint32_t writers : {1u, 2u, 3u}) {
    TemporaryFolder folder;
    const auto trained = Trained(writers);
    Save(trained.get(), folder.path());
    for (const std::uint32_t readers : {1u, 2u, 3u, 5u}) {
      ShardCluster restored({.shards = readers, .consistency = proto::Train::BSP});
      restored.StartEpoch(0, 0, {0});
      restored.PushAll(0, 0);  // whatever is there before is dropped
      std::string text;
      ASSERT_EQ(Load(&restored, folder.path(), &text), proto::OK) << text;
      ASSERT_TRUE(restored.contents() == trained->contents()) << writers << " -> " << readers;
      // And both go on alike, so the optimizers' state is there too.
      const auto twin = Trained(writers);
      for (ShardCluster* cluster : {twin.get(), &restored}) {
        cluster->StartEpoch(1, 10, {7});
        cluster->PushAll(7, 10);
      }
      EXPECT_TRUE(restored.contents() == twin->contents());
    }
  }
}

TEST(CheckpointTest, EqualContentsGiveEqualBytes) {
  TemporaryFolder a, b;
  ShardCluster first({}), second({});
  for (ShardCluster* cluster : {&first, &second}) cluster->StartEpoch(0, 0, {0, 1});
  Gradients low{.rows = 1, .tables = {{}, {}}, .dense = {}}, high = low;
  for (Key key = 0; key < 3000; ++key) (key < 1500 ? low : high).tables[1][key] = std::vector<float>(5, 1);
  EXPECT_EQ(first.Code(0, first.Push(0, 0, 0, low)), proto::OK);
  EXPECT_EQ(first.Code(0, first.Push(0, 1, 0, high)), proto::OK);
  EXPECT_EQ(second.Code(0, second.Push(0, 1, 0, high)), proto::OK);
  EXPECT_EQ(second.Code(0, second.Push(0, 0, 0, low)), proto::OK);
  Save(&first, a.path());
  Save(&second, b.path());
  EXPECT_EQ(ReadFile(a.path() + "/shard-0.sherd").value(), ReadFile(b.path() + "/shard-0.sherd").value());
}

TEST(CheckpointTest, TheReaderGivesTheSameRowsInTheSameOrderForAnyNumberOfFiles) {
  using Row = std::pair<Key, std::vector<float>>;
  std::vector<std::vector<Row>> rows;
  std::vector<std::vector<Row>> blocks;
  for (const std::uint32_t shards : {1u, 3u}) {
    TemporaryFolder folder;
    Save(Trained(shards).get(), folder.path());
    const auto reader = CheckpointReader::Open(folder.path());
    ASSERT_TRUE(reader.ok()) << reader.status().text();
    auto& some = rows.emplace_back();
    ASSERT_TRUE((*reader)
                    ->ForEachRow(1,
                                 [&](Key key, std::span<const float> row) {
                                   some.emplace_back(key, std::vector<float>(row.begin(), row.end()));
                                   return Status();
                                 })
                    .ok());
    auto& dense = blocks.emplace_back();
    ASSERT_TRUE((*reader)
                    ->ForEachDenseBlock([&](std::uint32_t tensor, std::uint32_t first, std::uint32_t length,
                                            std::span<const float> values) {
                      EXPECT_LE(length, values.size());
                      dense.emplace_back(tensor * 100000 + first, std::vector<float>(values.begin(), values.end()));
                      return Status();
                    })
                    .ok());
    EXPECT_EQ((*reader)->model().table(1).name(), "deep");
  }
  EXPECT_GT(rows[0].size(), 300u);
  EXPECT_EQ(blocks[0].size(), 4u);
  EXPECT_EQ(rows[0], rows[1]);
  EXPECT_EQ(blocks[0], blocks[1]);
}

TEST(CheckpointTest, ARowLargerThanABlockAndManyBlocksASlot) {
  proto::ModelSpec model;
  proto::TableSpec* table = model.add_table();
  table->set_name("t");
  table->add_segment()->set_dim(40000);  // with its Adagrad sums 320 kB
  auto store = ShardStore::Make(model, 1, 0, 1).value();
  std::vector<Key> keys;
  for (Key key = 0; keys.size() < 3; ++key) {
    if (SlotOf(key) == 9) keys.push_back(key);
  }
  const std::vector<float> gradients(3 * 40000, 0.5f);
  ASSERT_TRUE(store->table(0).Push(keys, gradients.data(), {}).ok());
  TemporaryFolder folder;
  proto::Manifest manifest;
  manifest.set_version(1);
  *manifest.add_file() = WriteShardFile(store.get(), folder.path()).value();
  ASSERT_TRUE(WriteManifest(folder.path(), manifest).ok());
  auto restored = ShardStore::Make(model, 1, 0, 1).value();
  ASSERT_TRUE(LoadShard(folder.path(), restored.get()).ok());
  EXPECT_TRUE(ContentsOf(*restored) == ContentsOf(*store));
}

// ---- damage --------------------------------------------------------------------------------------------------------

class DamageTest : public testing::Test {
 protected:
  void SetUp() override {
    ShardCluster cluster({});
    cluster.StartEpoch(0, 0, {0});
    EXPECT_EQ(cluster.Code(0, cluster.Push(0, 0, 0, GradientsOf(cluster.model(), 0, 0, 12))), proto::OK);
    Save(&cluster, folder_.path());
    good_ = ReadFile(path()).value();
  }
  std::string path() const { return folder_.path() + "/shard-0.sherd"; }
  Status TryLoad() {
    const auto store = ShardStore::Make(SmallModel(), 5, 0, 1).value();
    return LoadShard(folder_.path(), store.get());
  }

  TemporaryFolder folder_;
  std::string good_;
};

TEST_F(DamageTest, EveryFlippedByteIsFound) {
  ASSERT_TRUE(TryLoad().ok());
  // All of the header, the first block and the footer, and a part of the rest.
  const std::size_t footer = good_.size() - sizeof(FileFooter);
  for (std::size_t i = 0; i < good_.size(); i += i < 800 || i >= footer ? 1 : std::min<std::size_t>(97, footer - i)) {
    std::string bad = good_;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    Overwrite(path(), bad);
    const Status status = TryLoad();
    ASSERT_FALSE(status.ok()) << "byte " << i;
    ASSERT_THAT(status.text(), HasSubstr("shard-0.sherd"));
  }
}

TEST_F(DamageTest, EveryCutOffIsFound) {
  for (std::size_t size = 0; size < good_.size(); size += size < 300 ? 1 : 977) {
    Overwrite(path(), good_.substr(0, size));
    ASSERT_FALSE(TryLoad().ok()) << size;
  }
  Overwrite(path(), good_ + "x");
  EXPECT_FALSE(TryLoad().ok());
}

TEST_F(DamageTest, TheErrorNamesFileBlockAndSlot) {
  const auto store = ShardStore::Make(SmallModel(), 5, 0, 1).value();
  const std::size_t header = sizeof(FileHeader) + SmallModel().SerializeAsString().size();
  std::string bad = good_;
  bad[header + sizeof(BlockHeader) + 9] ^= 1;
  Overwrite(path(), bad);
  EXPECT_THAT(TryLoad().text(), AllOf(HasSubstr(path()), HasSubstr("block 0 of slot "), HasSubstr("checksum")));
}

// Sizes that would have the reader ask for gigabytes, with checksums that fit.
TEST_F(DamageTest, AHugeSizeIsRefusedBeforeMemoryIsAskedFor) {
  FileHeader header;
  std::memcpy(&header, good_.data(), sizeof(header));
  header.spec_bytes = 0xfffffff0;
  header.crc = Crc32c(std::as_bytes(std::span(&header, 1)).first(offsetof(FileHeader, crc)));
  std::string bad = good_;
  std::memcpy(bad.data(), &header, sizeof(header));
  Overwrite(path(), bad);
  EXPECT_THAT(TryLoad().text(), HasSubstr("cut off"));
}

TEST_F(DamageTest, AManifestThatIsMissingOrDamagedIsNoCheckpoint) {
  const std::string manifest = ReadFile(folder_.path() + "/manifest").value();
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    std::string bad = manifest;
    bad[i] ^= 4;
    Overwrite(folder_.path() + "/manifest", bad);
    ASSERT_FALSE(ReadManifest(folder_.path()).ok()) << i;
  }
  ASSERT_TRUE(RemoveTree(folder_.path() + "/manifest").ok());
  EXPECT_EQ(TryLoad().code(), ErrorCode::kNotFound);
}

TEST_F(DamageTest, SlotsInNoFileOrInTwoAreFound) {
  proto::Manifest manifest = ReadManifest(folder_.path()).value();
  *manifest.add_file() = manifest.file(0);
  ASSERT_TRUE(WriteManifest(folder_.path(), manifest).ok());
  EXPECT_FALSE(TryLoad().ok());
  manifest.clear_file();
  ASSERT_TRUE(WriteManifest(folder_.path(), manifest).ok());
  EXPECT_THAT(TryLoad().text(), HasSubstr("slot 0"));
}

TEST_F(DamageTest, AnotherModelIsRefusedByTheNameOfItsTable) {
  proto::ModelSpec wider = SmallModel();
  wider.mutable_table(1)->mutable_segment(0)->set_dim(8);
  proto::ModelSpec renamed = SmallModel();
  renamed.mutable_table(0)->set_name("linear");
  proto::ModelSpec larger = SmallModel();
  larger.mutable_tensor(0)->set_cols(51);
  const auto error = [&](const proto::ModelSpec& model) {
    const auto store = ShardStore::Make(model, 5, 0, 1).value();
    return LoadShard(folder_.path(), store.get()).text();
  };
  EXPECT_THAT(error(wider), HasSubstr("table 'deep'"));
  EXPECT_THAT(error(renamed), HasSubstr("no table 'linear'"));
  EXPECT_THAT(error(larger), HasSubstr("tensor 'tower/0/weight'"));
}

TEST_F(DamageTest, AShardWhoseLoadFailedServesNobodyUntilOneSucceeds) {
  ShardCluster cluster({});
  std::string text;
  EXPECT_EQ(Load(&cluster, folder_.path() + "/none", &text), proto::FAILED);
  EXPECT_THAT(text, HasSubstr("none"));
  EXPECT_EQ(cluster.Code(0, cluster.Pull(0, 0, 0, {1})), proto::FAILED);
  EXPECT_EQ(Load(&cluster, folder_.path()), proto::OK);
  EXPECT_EQ(cluster.Code(0, cluster.Pull(0, 0, 0, {1})), proto::OK);
}

}  // namespace
}  // namespace sherd
