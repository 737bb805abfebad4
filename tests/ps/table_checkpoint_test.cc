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

std::string FileBytes(ShardStore* store, const TemporaryFolder& folder) {
  const auto file = WriteShardFile(store, folder.path());
  CHECK(file.ok()) << file.status().text();
  return ReadFile(JoinPath(folder.path(), file->name())).value();
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

// One row of two weights with its Adagrad sums, one candidate where there are any, and one dense block. All are of one
// slot, which is the store's only one.
constexpr Slot kGoldenSlot = 1055;
constexpr Key kGoldenKey = 5740, kGoldenCandidate = 8149;

proto::ModelSpec GoldenModel() {
  proto::ModelSpec model;
  proto::TableSpec* table = model.add_table();
  table->set_name("t");
  table->add_segment()->set_dim(2);
  table->mutable_segment(0)->mutable_optimizer()->mutable_adagrad();
  table->mutable_storage()->set_weights(RowStorage::BF16);
  table->mutable_storage()->set_max_age_clocks(100);
  table->mutable_storage()->set_admit_after(3);
  proto::TensorSpec* tensor = model.add_tensor();
  tensor->set_name("w");
  tensor->set_rows(1);
  tensor->set_cols(3);
  tensor->mutable_optimizer()->mutable_adagrad();
  return model;
}

std::unique_ptr<ShardStore> GoldenStore(const proto::ModelSpec& model) {
  auto store = ShardStore::Make(model, 1, kGoldenSlot, kSlots).value();
  EmbeddingTable& table = store->table(0);
  const std::vector<float> floats = {1.0f, -2.5f, 0.5f, 4.0f};
  std::vector<std::byte> row(table.layout().row_bytes());
  table.layout().EncodeRow(floats.data(), {}, row.data());
  const std::uint32_t clock = 0x01020304;
  if (const std::uint32_t place = table.layout().usage().clock; place != 0) {
    std::memcpy(&row[place], &clock, sizeof(clock));
  }
  EXPECT_TRUE(table.Restore(kGoldenKey, row.data()).ok());
  const bool candidates = table.layout().storage().admit_after() > 1;
  EXPECT_TRUE(!candidates || table.RestoreCandidate(kGoldenCandidate, 2).ok());
  store->dense().Restore(0, std::vector<float>{1, 2, 3, 0.25f, 0.5f, 0.75f});
  return store;
}

std::string Hex(const std::string& bytes) {
  std::string hex;
  for (const unsigned char byte : bytes) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

// A checkpoint of one file with these bytes.
std::unique_ptr<ShardStore> LoadBytes(const std::string& bytes, const proto::ModelSpec& model) {
  TemporaryFolder folder;
  proto::Manifest manifest;
  manifest.set_version(1);
  proto::ShardFile* file = manifest.add_file();
  file->set_name("shard-0.sherd");
  file->set_bytes(bytes.size());
  file->set_crc(Crc32c(std::as_bytes(std::span(bytes))));
  file->set_first_slot(kGoldenSlot);
  file->set_end_slot(kGoldenSlot + 1);
  file->set_rows(1);
  std::ofstream(folder.path() + "/shard-0.sherd", std::ios::binary) << bytes;
  EXPECT_TRUE(WriteManifest(folder.path(), manifest).ok());
  auto store = ShardStore::Make(model, 1, kGoldenSlot, kSlots).value();
  const Status status = LoadShard(folder.path(), store.get());
  EXPECT_TRUE(status.ok()) << status.text();
  return store;
}

// In these there were neither storage nor candidates, and rows were counted in floats.
TEST(TableCheckpointTest, GoldenBytesOfVersion1AreRead) {
  const std::string bytes = FromHex(
      "5348455244534844010000001f040000200400001a00000043fe951f64be22e2"                  // header
      "0a0b0a0174120610021a021200120b0a01771001180322021200"                              // spec
      "000000001f040000010000000400000018000000bd8907c8"                                  // block of the row
      "6c160000000000000000803f000020c00000003f00008040"                                  // its key, weights, sums
      "ffffffff1f04000001000000060000002800000038561fb2"                                  // block of the tensor
      "000000000000000003000000000000000000803f00000040000040400000803e0000003f0000403f"  // its place, weights, sums
      "3a000000000000007000000000000000"                                                  // index
      "aa0000000000000001000000000000001e067d8346eaab925348455244454e44");                // footer
  proto::ModelSpec model = GoldenModel();
  model.mutable_table(0)->clear_storage();
  EXPECT_TRUE(ContentsOf(*LoadBytes(bytes, model)) == ContentsOf(*GoldenStore(model)));
  model.mutable_table(0)->mutable_storage()->set_weights(RowStorage::BF16);
  EXPECT_TRUE(ContentsOf(*LoadBytes(bytes, model)) == ContentsOf(*GoldenStore(model)));
}

TEST(TableCheckpointTest, GoldenBytesOfVersion2AreRead) {
  const std::string bytes = FromHex(
      "5348455244534844020000001f040000200400002200000001ecb59d3835e147"                  // header
      "0a130a0174120610021a0212001a06080218032064120b0a01771001180322021200"              // spec
      "000000001f040000010000001000000018000000ec72526c"                                  // block of the row
      "6c16000000000000803f20c00000003f0000804004030201"                                  // key, weights, sums, clock
      "000000801f04000001000000040000000c000000903cbc0d"                                  // block of the candidate
      "d51f00000000000002000000"                                                          // its key, its sightings
      "ffffffff1f040000010000001800000028000000b156dcdc"                                  // block of the tensor
      "000000000000000003000000000000000000803f00000040000040400000803e0000003f0000403f"  // its place, weights, sums
      "42000000000000009400000000000000"                                                  // index
      "d6000000000000000100000000000000a648766a8074d9155348455244454e44");                // footer
  const auto store = LoadBytes(bytes, GoldenModel()), expected = GoldenStore(GoldenModel());
  EXPECT_TRUE(ContentsOf(*store) == ContentsOf(*expected));
  TemporaryFolder folder;
  EXPECT_EQ(FileBytes(store.get(), folder), FileBytes(expected.get(), folder)) << "the candidate, the clock";
}

TEST(TableCheckpointTest, GoldenBytesOfVersion3) {
  TemporaryFolder folder;
  const auto store = GoldenStore(GoldenModel());
  const std::string bytes = FileBytes(store.get(), folder);
  EXPECT_EQ(
      Hex(bytes),
      "5348455244534844030000001f04000020040000000000002200000001ecb59dceb7cc57"  // header
      "0a130a0174120610021a0212001a06080218032064120b0a01771001180322021200"      // spec
      "00000000000000001f04000001000000100000001800000018000000f8e929a2"          // block of the row
      "6c16000000000000803f20c00000003f0000804004030201"                          // its key, weights, sums, clock
      "00000000010000001f04000001000000040000000c0000000c000000570c2088"          // block of the candidate
      "d51f00000000000002000000"                                                  // its key, its sightings
      "ffffffff030000001f04000001000000180000002800000028000000017e1e83"          // block of the tensor
      "000000000000000003000000000000000000803f00000040000040400000803e0000003f0000403f"    // its place, weights, sums
      "4600000000000000ac00000000000000"                                                    // index
      "010000000000000001000000000000000000000000000000"                                    // counts
      "f2000000000000000100000000000000030000009e313651655968a0604b528f5348455244454e44");  // footer
  const auto restored = LoadBytes(bytes, GoldenModel());
  EXPECT_EQ(FileBytes(restored.get(), folder), bytes);
}

}  // namespace
}  // namespace sherd
