// Checkpoints of tables of every storage, from and into every other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/manifest.h"
#include "ps/checkpoint_reader.h"
#include "ps/checkpoint_writer.h"
#include "ps/shard_file.h"
#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using proto::RowStorage;
using ::testing::HasSubstr;

proto::ModelSpec ModelOf(const RowStorage& storage) {
  proto::ModelSpec model;
  proto::TableSpec* table = model.add_table();
  table->set_name("t");
  table->add_segment()->set_dim(1);
  table->mutable_segment(0)->mutable_optimizer()->mutable_sgd()->set_learning_rate(0.1);
  table->add_segment()->set_dim(30);
  table->mutable_segment(1)->mutable_optimizer()->mutable_adam();
  *table->mutable_storage() = storage;
  return model;
}

std::unique_ptr<ShardStore> MakeStore(const proto::ModelSpec& model, StoreOptions options = {}) {
  return ShardStore::Make(model, 1, 0, 1, std::move(options)).value();
}

void Train(ShardStore* store) {
  std::vector<Key> keys;
  std::vector<float> sums;
  for (std::uint64_t clock = 1; clock <= 30; ++clock) {
    keys.clear();
    for (Key i = 0; i < 300; ++i) keys.push_back(i % 2 == 0 ? Mix(clock * 200 + i) : i);
    keys.push_back(~Key{0});
    sums.resize(keys.size() * store->table(0).layout().weight_floats());
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = UnitFloat(Mix(clock, i)) - 0.5f;
    store->DealBudget();
    store->Advance(clock, static_cast<std::uint32_t>(clock * 2));
    const PushStep step{.clock = clock, .seconds = static_cast<std::uint32_t>(clock * 2), .noise = clock};
    const Status status = store->table(0).Push(keys, sums.data(), step);
    ASSERT_TRUE(status.ok()) << status.text();
  }
}

void Save(ShardStore* store, const std::string& dir) {
  proto::Manifest manifest;
  manifest.set_version(1);
  const auto file = WriteShardFile(store, dir);
  ASSERT_TRUE(file.ok()) << file.status().text();
  *manifest.add_file() = *file;
  ASSERT_TRUE(WriteManifest(dir, manifest).ok());
}

std::string FileOf(const TemporaryFolder& folder) { return ReadFile(folder.path() + "/shard-0.sherd").value(); }

struct Case {
  std::string name;
  std::function<void(RowStorage*)> set;
  std::uint64_t budget = 0;
};

std::vector<Case> Cases() {
  return {
      {"fp32", [](RowStorage*) {}},
      {"bf16", [](RowStorage* s) { s->set_weights(RowStorage::BF16); }},
      {"fp16", [](RowStorage* s) { s->set_weights(RowStorage::FP16), s->set_state(RowStorage::BF16); }},
      {"ages", [](RowStorage* s) { s->set_max_age_clocks(16), s->set_max_age_seconds(100); }},
      {"frequent", [](RowStorage* s) { s->set_max_rows(kSlots * 2), s->set_use(RowStorage::FREQUENT); }},
      {"recent", [](RowStorage* s) { s->set_max_rows(kSlots * 2), s->set_weights(RowStorage::BF16); }},
      {"candidates", [](RowStorage* s) { s->set_admit_after(5); }},
      {"spilled", [](RowStorage* s) { s->set_at_budget(RowStorage::SPILL); }, 500'000},
      {"spilled_bf16", [](RowStorage* s) { s->set_at_budget(RowStorage::SPILL), s->set_weights(RowStorage::BF16); },
       400'000},
  };
}

TEST(TableCheckpointTest, WhatIsReadHasTheSameContentsAndBytes) {
  for (const Case& storage_case : Cases()) {
    SCOPED_TRACE(storage_case.name);
    RowStorage storage;
    storage_case.set(&storage);
    TemporaryFolder first, second, spill;
    const StoreOptions options{.memory_budget = storage_case.budget, .spill_dir = spill.path()};
    const auto store = MakeStore(ModelOf(storage), options), restored = MakeStore(ModelOf(storage), options);
    Train(store.get());
    EXPECT_TRUE(storage_case.budget == 0 || store->table(0).spilled_rows() > store->table(0).rows() / 2);
    EXPECT_TRUE(storage.admit_after() == 1 || store->table(0).candidates() > 100);
    Save(store.get(), first.path());
    const Status status = LoadShard(first.path(), restored.get());
    ASSERT_TRUE(status.ok()) << status.text();
    EXPECT_TRUE(ContentsOf(*store) == ContentsOf(*restored));
    EXPECT_EQ(store->table(0).rows(), restored->table(0).rows());
    EXPECT_EQ(store->table(0).candidates(), restored->table(0).candidates());
    Save(restored.get(), second.path());
    EXPECT_TRUE(FileOf(first) == FileOf(second));
    // The file does not tell where rows were.
    const auto resident = MakeStore(ModelOf(storage));
    Train(resident.get());
    Save(resident.get(), second.path());
    EXPECT_TRUE(FileOf(first) == FileOf(second));
  }
}

TEST(TableCheckpointTest, RowsOfFp32AreReadIntoTablesOfLessPrecisionWithinItsRounding) {
  TemporaryFolder folder;
  const auto store = MakeStore(ModelOf({}));
  Train(store.get());
  Save(store.get(), folder.path());
  const Contents whole = ContentsOf(*store);
  for (const Precision precision : {RowStorage::BF16, RowStorage::FP16, RowStorage::INT8}) {
    RowStorage storage;
    storage.set_weights(precision);
    const auto restored = MakeStore(ModelOf(storage));
    const Status status = LoadShard(folder.path(), restored.get());
    ASSERT_TRUE(status.ok()) << status.text();
    ASSERT_EQ(restored->table(0).rows(), whole.size());
    for (const auto& [place, row] : whole) {
      float most = 0;
      for (std::size_t i = 1; i < 31; ++i) most = std::max(most, std::abs(row[i]));
      std::vector<float> weights(31);
      ASSERT_TRUE(restored->table(0).Pull({&place.second, 1}, weights.data()).ok());
      for (std::size_t i = 0; i < 31; ++i) {
        const float size = precision == RowStorage::INT8 && i > 0 ? most : std::abs(row[i]);
        const float relative = precision == RowStorage::INT8 ? 1.001f / 254 : 0x1p-8f;
        ASSERT_NEAR(weights[i], row[i], size * relative + 1e-7f) << RowStorage::Precision_Name(precision) << " " << i;
      }
    }
  }
}

TEST(TableCheckpointTest, AnotherNumberOfStateFloatsIsRefusedAndNotReadBeyondTheRow) {
  const auto with_momentum = [](float momentum) {
    proto::ModelSpec model = ModelOf({});
    model.mutable_table(0)->mutable_segment(1)->mutable_optimizer()->mutable_sgd()->set_momentum(momentum);
    return model;
  };
  for (const float momentum : {0.0f, 0.9f}) {
    TemporaryFolder folder;
    const auto store = MakeStore(with_momentum(momentum));
    Train(store.get());
    Save(store.get(), folder.path());
    const auto other = MakeStore(with_momentum(0.9f - momentum));
    const Status status = LoadShard(folder.path(), other.get());
    ASSERT_FALSE(status.ok());
    EXPECT_THAT(status.text(), HasSubstr("table 't'"));
  }
}

// ---- the bytes -----------------------------------------------------------------------------------------------------

template <typename T>
T Get(const std::string& bytes, std::size_t at) {
  T value;
  std::memcpy(&value, &bytes.at(at), sizeof(value));
  return value;
}
template <typename T>
void Set(const T& value, std::size_t at, std::string* bytes) {
  std::memcpy(&bytes->at(at), &value, sizeof(value));
}
template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// What version 1 wrote: floats in place of bytes, and the checksums of that.
std::string AsVersion1(std::string bytes) {
  FileHeader header = Get<FileHeader>(bytes, 0);
  header.version = 1;
  header.crc = Crc32c(BytesOf(header).first(offsetof(FileHeader, crc)));
  Set(header, 0, &bytes);
  const std::size_t end = Get<FileFooter>(bytes, bytes.size() - sizeof(FileFooter)).index_offset;
  for (std::size_t at = sizeof(FileHeader) + header.spec_bytes; at < end;) {
    BlockHeader block = Get<BlockHeader>(bytes, at);
    block.row_bytes /= 4;
    const auto payload = std::as_bytes(std::span(bytes)).subspan(at + sizeof(block), block.payload_bytes);
    block.crc = Crc32c(payload, Crc32c(BytesOf(block).first(offsetof(BlockHeader, crc))));
    Set(block, at, &bytes);
    at += sizeof(block) + block.payload_bytes;
  }
  return bytes;
}

TEST(TableCheckpointTest, Version1IsStillRead) {
  proto::ModelSpec model = ModelOf({});
  model.mutable_table(0)->clear_storage();  // there was none
  proto::TensorSpec* tensor = model.add_tensor();
  tensor->set_name("w");
  tensor->set_rows(40);
  tensor->set_cols(40);
  TemporaryFolder folder;
  const auto store = MakeStore(model), restored = MakeStore(model);
  Train(store.get());
  Save(store.get(), folder.path());
  const std::string old = AsVersion1(FileOf(folder));
  std::ofstream(folder.path() + "/shard-0.sherd", std::ios::binary | std::ios::trunc) << old;
  const Status status = LoadShard(folder.path(), restored.get());
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_TRUE(ContentsOf(*restored) == ContentsOf(*store));
  RowStorage storage;
  storage.set_weights(RowStorage::BF16);
  *model.mutable_table(0)->mutable_storage() = storage;
  const auto halves = MakeStore(model);
  ASSERT_TRUE(LoadShard(folder.path(), halves.get()).ok());
  EXPECT_EQ(halves->table(0).rows(), store->table(0).rows());
}

std::string Hex(const std::string& bytes) {
  std::string hex;
  for (const unsigned char byte : bytes) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

// One row of two BF16 weights with its sums and last clock, and one candidate: each byte of a file of version 2.
TEST(TableCheckpointTest, GoldenBytesOfVersion2) {
  proto::ModelSpec model;
  proto::TableSpec* table = model.add_table();
  table->set_name("t");
  table->add_segment()->set_dim(2);
  table->mutable_segment(0)->mutable_optimizer()->mutable_adagrad();
  table->mutable_storage()->set_weights(RowStorage::BF16);
  table->mutable_storage()->set_max_age_clocks(100);
  table->mutable_storage()->set_admit_after(3);
  const auto store = ShardStore::Make(model, 1, 0, kSlots).value();  // slot 0 alone
  const std::vector<float> floats = {1.0f, -2.5f, 0.5f, 4.0f};
  std::vector<std::byte> row(store->table(0).layout().row_bytes());
  store->table(0).layout().EncodeRow(floats.data(), {}, row.data());
  const std::uint32_t clock = 0x01020304;
  std::memcpy(&row[store->table(0).layout().usage().clock], &clock, sizeof(clock));
  ASSERT_EQ(SlotOf(0), 0u);
  ASSERT_TRUE(store->table(0).Restore(0, row.data()).ok());
  Key candidate = 1;
  while (SlotOf(candidate) != 0) ++candidate;
  ASSERT_TRUE(store->table(0).RestoreCandidate(candidate, 2).ok());
  TemporaryFolder folder;
  Save(store.get(), folder.path());
  EXPECT_EQ(Hex(FileOf(folder)),
            "534845524453484402000000000000000100000015000000f7df9884d7e18a1f"    // header
            "0a130a0174120610021a0212001a06080218032064"                          // spec
            "0000000000000000010000001000000018000000f4efd0aa"                    // block of the row
            "0000000000000000803f20c00000003f0000804004030201"                    // key 0, weights, sums, clock
            "000000800000000001000000040000000c00000089296ef8"                    // block of the candidate
            "170900000000000002000000"                                            // its key, its sightings
            "35000000000000005400000000000000"                                    // index
            "89000000000000000100000000000000d50279f3cbded4f35348455244454e44");  // footer
}

}  // namespace
}  // namespace sherd
