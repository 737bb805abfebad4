// Full files and the deltas since, against a map that is changed in the same way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/manifest.h"
#include "ps/checkpoint_loader.h"
#include "ps/checkpoint_reader.h"
#include "ps/checkpoint_writer.h"
#include "ps/shard_file_writer.h"
#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using Row = std::array<float, 4>;  // two weights, two sums
constexpr std::uint32_t kRowBytes = sizeof(Row);

proto::ModelSpec Model(std::uint64_t max_rows = 0) {
  proto::ModelSpec model;
  proto::TableSpec* table = model.add_table();
  table->set_name("t");
  table->add_segment()->set_dim(2);
  table->mutable_segment(0)->mutable_optimizer()->mutable_adagrad();
  table->mutable_storage()->set_admit_after(3);
  if (max_rows > 0) {
    table->mutable_storage()->set_admit_after(1);
    table->mutable_storage()->set_max_rows(max_rows);
  }
  proto::TensorSpec* tensor = model.add_tensor();
  tensor->set_name("w");
  tensor->set_rows(1);
  tensor->set_cols(3);
  tensor->mutable_optimizer()->mutable_adagrad();
  return model;
}

struct ByHash {
  bool operator()(Key a, Key b) const { return Mix(a) < Mix(b); }
};

// What a file is to say, or what a job holds.
struct State {
  std::map<Key, Row, ByHash> rows;
  std::map<Key, std::uint32_t, ByHash> candidates;
  std::set<Key, ByHash> deleted;  // of a delta
  std::vector<float> dense = {1, 2, 3, 4, 5, 6};
};

// The values of a map's keys of a slot, in one block.
template <class Map, class Put>
void WriteSlot(Slot slot, BlockKind kind, std::uint32_t row_bytes, const Map& map, const Put& put,
               ShardFileWriter* writer) {
  std::vector<typename Map::const_iterator> of_slot;
  for (auto it = map.begin(); it != map.end(); ++it) {
    const Key key = *reinterpret_cast<const Key*>(&*it);
    if (SlotOf(key) == slot) of_slot.push_back(it);
  }
  if (of_slot.empty()) return;
  FileBlock* const block = writer->Take(true);
  ASSERT_NE(block, nullptr);
  block->header = {
      .kind = kind, .slot = slot, .rows = static_cast<std::uint32_t>(of_slot.size()), .row_bytes = row_bytes};
  block->bytes = of_slot.size() * (sizeof(Key) + row_bytes);
  for (std::size_t i = 0; i < of_slot.size(); ++i) {
    std::memcpy(block->payload() + i * sizeof(Key), &*of_slot[i], sizeof(Key));
    put(of_slot[i], block->payload() + of_slot.size() * sizeof(Key) + i * row_bytes);
  }
  writer->Give(block);
}

proto::ShardFile Write(const State& state, const ShardFileWriter::Options& options) {
  const auto writer = ShardFileWriter::Start(Model(), options);
  const auto model_store = ShardStore::Make(Model(), 1, 0, 1).value();
  const Slot dense_slot = model_store->dense().blocks()[0].slot;
  for (Slot slot = options.first_slot; slot < options.end_slot; ++slot) {
    WriteSlot(
        slot, BlockKind::kRows, kRowBytes, state.rows,
        [](auto it, std::byte* to) { std::memcpy(to, it->second.data(), kRowBytes); }, writer.get());
    WriteSlot(
        slot, BlockKind::kCandidates, 4, state.candidates,
        [](auto it, std::byte* to) { std::memcpy(to, &it->second, 4); }, writer.get());
    WriteSlot(
        slot, BlockKind::kDeleted, 0, state.deleted, [](auto, std::byte*) {}, writer.get());
    if (slot != dense_slot) continue;
    FileBlock* const block = writer->Take(true);
    block->header = {.table = kDenseTable, .kind = BlockKind::kDense, .slot = slot, .rows = 1, .row_bytes = 24};
    const DenseHeader place{.tensor = 0, .first = 0, .length = 3, .unused = 0};
    std::memcpy(block->payload(), &place, sizeof(place));
    std::memcpy(block->payload() + sizeof(place), state.dense.data(), 24);
    block->bytes = sizeof(place) + 24;
    writer->Give(block);
  }
  writer->Finish();
  const auto file = writer->Wait();
  CHECK(file.ok()) << file.status().text();
  return *file;
}

// A job whose checkpoints are a full one and deltas, each in its folder.
class CheckpointChainTest : public testing::Test {
 protected:
  std::string Folder(int number) const { return folder_.path() + "/checkpoint-" + std::to_string(number); }
  std::string path(int number, int shard = 0) const {
    return Folder(number) + "/shard-" + std::to_string(shard) + ".sherd";
  }

  // Keys are few, so that they change often; all in a part of the slots, so that the test is quick.
  Key Draw() {
    for (;;) {
      const Key key = Mix(++draws_) % 40'000;
      if (SlotOf(key) % 512 == 5 || SlotOf(key) == dense_slot_) return key;
    }
  }
  State Change(int changes) {
    State delta;
    for (int i = 0; i < changes; ++i) {
      const Key key = Draw();
      const std::uint64_t kind = Mix(++draws_) % 5;
      job_.rows.erase(key), job_.candidates.erase(key);
      delta.rows.erase(key), delta.candidates.erase(key), delta.deleted.erase(key);
      if (kind == 0) {
        delta.deleted.insert(key);
      } else if (kind == 1) {
        job_.candidates[key] = delta.candidates[key] = 1 + static_cast<std::uint32_t>(draws_ % 2);
      } else {
        const float value = static_cast<float>(draws_);
        job_.rows[key] = delta.rows[key] = {value, -value, value / 2, 1};
      }
    }
    for (float& value : delta.dense) value += static_cast<float>(draws_);
    job_.dense = delta.dense;
    return delta;
  }

  // Checkpoint `number`, the first one full, by so many shards.
  void Save(int number, std::uint32_t shards, bool compress) {
    const State delta = Change(number == 0 ? 400 : 60);
    for (proto::ShardFile& file : *manifest_.mutable_file()) {
      if (!file.name().starts_with("../"))
        file.set_name("../checkpoint-" + std::to_string(number - 1) + "/" + file.name());
    }
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
      *manifest_.add_file() = Write(number == 0 ? job_ : delta, {.dir = Folder(number),
                                                                 .shard = shard,
                                                                 .first_slot = FirstSlot(shard, shards),
                                                                 .end_slot = FirstSlot(shard + 1, shards),
                                                                 .delta = number > 0,
                                                                 .compress = compress});
    }
    manifest_.set_version(1);
    ASSERT_TRUE(WriteManifest(Folder(number), manifest_).ok());
  }

  // The job's rows of a shard, put there one by one.
  std::unique_ptr<ShardStore> Expected(std::uint32_t shard, std::uint32_t shards) const {
    auto store = ShardStore::Make(Model(), 1, shard, shards).value();
    for (const auto& [key, row] : job_.rows) {
      if (!store->Owns(key)) continue;
      EXPECT_TRUE(store->table(0).Restore(key, reinterpret_cast<const std::byte*>(row.data())).ok());
    }
    for (const auto& [key, sightings] : job_.candidates) {
      EXPECT_TRUE(!store->Owns(key) || store->table(0).RestoreCandidate(key, sightings).ok());
    }
    if (!store->dense().blocks().empty()) store->dense().Restore(0, job_.dense);
    return store;
  }

  Status Load(int number) {
    const auto store = ShardStore::Make(Model(), 1, 0, 1).value();
    return LoadShard(Folder(number), store.get());
  }
  // Reading it as a tool does finds the same.
  Status ReadAll(int number) {
    ASSIGN_OR_RETURN(const auto reader, CheckpointReader::Open(Folder(number)));
    return reader->ForEachRow(0, [](Key, std::span<const float>) { return Status(); });
  }

  TemporaryFolder folder_;
  State job_;
  proto::Manifest manifest_;
  std::uint64_t draws_ = 0;
  Slot dense_slot_ = ShardStore::Make(Model(), 1, 0, 1).value()->dense().blocks()[0].slot;
};

std::string BytesOf(ShardStore* store) {
  TemporaryFolder folder;
  const auto file = WriteShardFile(store, folder.path());
  CHECK(file.ok()) << file.status().text();
  return ReadFile(JoinPath(folder.path(), file->name())).value();
}

TEST_F(CheckpointChainTest, TheLastWordOfEachKeyCountsForAnyNumberOfShards) {
  const std::uint32_t writers[] = {2, 2, 3, 1, 2};
  for (int number = 0; number < 5; ++number) Save(number, writers[number], number % 2 == 1);
  ASSERT_GT(job_.candidates.size(), 10u);
  for (const std::uint32_t shards : {1u, 2u, 5u}) {
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
      const auto store = ShardStore::Make(Model(), 1, shard, shards).value();
      const Status status = LoadShard(Folder(4), store.get());
      ASSERT_TRUE(status.ok()) << status.text();
      const auto expected = Expected(shard, shards);
      EXPECT_TRUE(ContentsOf(*store) == ContentsOf(*expected));
      EXPECT_EQ(store->table(0).rows(), expected->table(0).rows());
      EXPECT_EQ(store->table(0).candidates(), expected->table(0).candidates());
      EXPECT_TRUE(BytesOf(store.get()) == BytesOf(expected.get()));
    }
  }
}

TEST_F(CheckpointChainTest, AReaderSeesOneFullCheckpoint) {
  for (int number = 0; number < 4; ++number) Save(number, 2, number % 2 == 0);
  const auto opened = CheckpointReader::Open(Folder(3));
  ASSERT_TRUE(opened.ok()) << opened.status().text();
  CheckpointReader& reader = **opened;
  std::vector<std::pair<Key, std::vector<float>>> rows, expected;
  const Status status = reader.ForEachRow(0, [&](Key key, std::span<const float> row) {
    rows.emplace_back(key, std::vector<float>(row.begin(), row.end()));
    return Status();
  });
  ASSERT_TRUE(status.ok()) << status.text();
  for (const auto& [key, row] : job_.rows) expected.emplace_back(key, std::vector<float>(row.begin(), row.end()));
  EXPECT_EQ(rows, expected);

  std::size_t candidates = 0;
  CheckpointSlot slot;
  for (Slot number = 0; number < kSlots; ++number) {
    ASSERT_TRUE(reader.ReadSlot(number, &slot).ok());
    for (std::size_t i = 0; i < slot.tables[0].candidates.size(); ++i, ++candidates) {
      EXPECT_EQ(job_.candidates.at(slot.tables[0].candidates[i]), slot.tables[0].sightings[i]);
    }
    if (number == dense_slot_) {
      EXPECT_EQ(slot.dense.at(0).values, job_.dense);
    }
  }
  EXPECT_EQ(candidates, job_.candidates.size());

  for (int i = 0; i < 300; ++i) {
    const Key key = Draw();
    const auto found = reader.Find(0, key);
    ASSERT_TRUE(found.ok()) << found.status().text();
    const auto row = job_.rows.find(key);
    std::vector<std::byte> expected_row;
    if (row != job_.rows.end()) {
      const auto bytes = std::as_bytes(std::span(row->second));
      expected_row.assign(bytes.begin(), bytes.end());
    }
    EXPECT_EQ(found->row, expected_row);
    const auto candidate = job_.candidates.find(key);
    EXPECT_EQ(found->sightings, candidate == job_.candidates.end() ? 0 : candidate->second);
  }
}

// A slot that is full when a delta brings a row and takes another keeps what the delta leaves.
TEST_F(CheckpointChainTest, LimitsOfRowsHoldAtTheEndOnly) {
  std::vector<Key> keys;
  for (Key key = 0; keys.size() < 3; ++key) {
    if (SlotOf(key) == 77) keys.push_back(key);
  }
  State full, delta;
  full.rows[keys[0]] = {1, 1, 1, 1};
  full.rows[keys[1]] = {2, 2, 2, 2};
  delta.rows[keys[2]] = {3, 3, 3, 3};
  delta.deleted.insert(keys[0]);
  *manifest_.add_file() = Write(full, {.dir = Folder(0), .first_slot = 0, .end_slot = kSlots});
  manifest_.mutable_file(0)->set_name("../checkpoint-0/shard-0.sherd");
  *manifest_.add_file() = Write(delta, {.dir = Folder(1), .first_slot = 0, .end_slot = kSlots, .delta = true});
  manifest_.set_version(1);
  ASSERT_TRUE(WriteManifest(Folder(1), manifest_).ok());
  const auto store = ShardStore::Make(Model(kSlots * 2), 1, 0, 1).value();
  const Status status = LoadShard(Folder(1), store.get());
  ASSERT_TRUE(status.ok()) << status.text();
  EmbeddingTable::SlotContents contents;
  ASSERT_TRUE(store->table(0).ReadSlot(77, &contents).ok());
  std::set<Key> left;
  for (const auto& [key, row] : contents.rows) left.insert(key);
  EXPECT_EQ(left, std::set<Key>({keys[1], keys[2]}));
}

// ---- damage --------------------------------------------------------------------------------------------------------

TEST_F(CheckpointChainTest, AFlippedBitOfADeltaIsFoundAndNamed) {
  for (int number = 0; number < 3; ++number) Save(number, 1, number == 1);
  for (const int number : {1, 2}) {
    const std::string good = ReadFile(path(number)).value();
    const std::uint64_t index = good.size() - sizeof(FileFooter) - sizeof(TableCounts) - kSlots * sizeof(SlotEntry);
    for (std::size_t i = 0; i < good.size(); i += i < index ? 13 : 1571) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << i % 8));
      std::ofstream(path(number), std::ios::binary) << bad;
      const Status status = Load(2);
      ASSERT_FALSE(status.ok()) << i;
      const std::string name = "checkpoint-" + std::to_string(number) + "/shard-0.sherd";
      const bool in_block = i >= sizeof(FileHeader) + Model().SerializeAsString().size() && i < index;
      ASSERT_THAT(status.text(), HasSubstr(name));
      if (in_block) {
        ASSERT_THAT(status.text(), AllOf(HasSubstr("block "), HasSubstr(" of slot "))) << i;
      }
      if (i % 7 == 0) {
        ASSERT_THAT(ReadAll(2).text(), HasSubstr(name)) << i;
      }
    }
    std::ofstream(path(number), std::ios::binary) << good;
  }
  EXPECT_TRUE(Load(2).ok());
}

TEST_F(CheckpointChainTest, AMissingOrShortenedFileIsNamed) {
  for (int number = 0; number < 3; ++number) Save(number, 2, false);
  for (int number = 0; number < 3; ++number) {
    const std::string good = ReadFile(path(number, 1)).value();
    const std::string name = "checkpoint-" + std::to_string(number) + "/shard-1.sherd";
    std::ofstream(path(number, 1), std::ios::binary) << good.substr(0, good.size() - 500);
    EXPECT_THAT(Load(2).text(), HasSubstr(name));
    EXPECT_THAT(ReadAll(2).text(), HasSubstr(name));
    ASSERT_TRUE(RemoveTree(path(number, 1)).ok());
    EXPECT_EQ(Load(2).code(), ErrorCode::kNotFound);
    EXPECT_THAT(Load(2).text(), HasSubstr(name));
    EXPECT_THAT(ReadAll(2).text(), HasSubstr(name));
    std::ofstream(path(number, 1), std::ios::binary) << good;
  }
  EXPECT_TRUE(Load(2).ok());
}

TEST_F(CheckpointChainTest, AFileOfAnotherCutInItsPlaceIsFoundThoughSizesAreEqual) {
  Save(0, 1, false);
  State other = job_;
  for (auto& [key, row] : other.rows) row[0] += 1;
  const std::string good = ReadFile(path(0)).value();
  Write(other, {.dir = Folder(0), .first_slot = 0, .end_slot = kSlots});
  const std::string bad = ReadFile(path(0)).value();
  ASSERT_EQ(bad.size(), good.size());
  EXPECT_THAT(Load(0).text(), AllOf(HasSubstr(path(0)), HasSubstr("another job or cut")));
  // One of its blocks, whose own checksum is right.
  const std::size_t begin = sizeof(FileHeader) + Model().SerializeAsString().size();
  BlockHeader header;
  std::memcpy(&header, &good[begin], sizeof(header));
  const std::size_t bytes = sizeof(header) + header.stored_bytes;
  std::string mixed = good;
  mixed.replace(begin, bytes, bad, begin, bytes);
  std::ofstream(path(0), std::ios::binary) << mixed;
  EXPECT_THAT(Load(0).text(), AllOf(HasSubstr(path(0)), HasSubstr("checksum")));
  EXPECT_THAT(ReadAll(0).text(), AllOf(HasSubstr(path(0)), HasSubstr("checksum")));
}

TEST_F(CheckpointChainTest, AFileOnAnotherHostsDiskIsNamedWithIt) {
  Save(0, 1, false);
  proto::ShardFile* file = manifest_.mutable_file(0);
  file->set_name(path(0));
  file->set_host("node7");
  ASSERT_TRUE(WriteManifest(Folder(0), manifest_).ok());
  EXPECT_TRUE(Load(0).ok());
  ASSERT_TRUE(RemoveTree(path(0)).ok());
  EXPECT_EQ(Load(0).code(), ErrorCode::kNotFound);
  EXPECT_THAT(Load(0).text(), AllOf(HasSubstr(path(0)), HasSubstr("host node7"), HasSubstr("copy the file")));
}

TEST_F(CheckpointChainTest, AChainThatIsNoneIsRefused) {
  Save(0, 1, false);
  Save(1, 1, false);
  const proto::Manifest good = manifest_;
  manifest_.mutable_file()->SwapElements(0, 1);
  ASSERT_TRUE(WriteManifest(Folder(1), manifest_).ok());
  EXPECT_THAT(Load(1).text(), AllOf(HasSubstr("slot 0"), HasSubstr("delta before a full file")));
  manifest_ = good;
  *manifest_.add_file() = good.file(0);
  ASSERT_TRUE(WriteManifest(Folder(1), manifest_).ok());
  EXPECT_THAT(Load(1).text(), HasSubstr("slot 0 is in ../checkpoint-0/shard-0.sherd too"));
  // A delta that is said to be a full file, and the other way round.
  manifest_ = good;
  manifest_.mutable_file()->DeleteSubrange(0, 1);
  manifest_.mutable_file(0)->clear_delta();
  ASSERT_TRUE(WriteManifest(Folder(1), manifest_).ok());
  EXPECT_THAT(Load(1).text(), HasSubstr("not the file that the manifest describes"));
}

}  // namespace
}  // namespace sherd
