#include "ps/warm_start.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/manifest.h"
#include "ps/checkpoint_writer.h"
#include "ps/local_checkpoints.h"
#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

void AddTable(const std::string& name, std::uint32_t dim, bool adam, proto::ModelSpec* model) {
  proto::TableSpec* table = model->add_table();
  table->set_name(name);
  table->add_segment()->set_dim(dim);
  proto::Optimizer* optimizer = table->mutable_segment(0)->mutable_optimizer();
  adam ? (void)optimizer->mutable_adam() : (void)optimizer->mutable_adagrad()->set_initial_accumulator(0.25);
}

void AddTensor(const std::string& name, std::uint32_t floats, bool adam, proto::ModelSpec* model) {
  proto::TensorSpec* tensor = model->add_tensor();
  tensor->set_name(name);
  tensor->set_rows(floats);
  tensor->set_cols(1);
  adam ? (void)tensor->mutable_optimizer()->mutable_adam() : (void)tensor->mutable_optimizer()->mutable_adagrad();
}

using Stores = std::vector<std::unique_ptr<ShardStore>>;

Stores MakeStores(const proto::ModelSpec& model, std::uint64_t seed, std::uint32_t shards) {
  Stores stores;
  for (std::uint32_t i = 0; i < shards; ++i) stores.push_back(ShardStore::Make(model, seed, i, shards).value());
  return stores;
}

// Two tables and two tensors of three blocks each, a little trained, on two shards.
class WarmStartTest : public ::testing::Test {
 protected:
  WarmStartTest() {
    AddTable("items", 4, true, &theirs_);
    AddTable("users", 3, true, &theirs_);
    AddTensor("deep.0", 2500, true, &theirs_);
    AddTensor("deep.1", 2500, true, &theirs_);
    trained_ = MakeStores(theirs_, 1, 2);
    proto::Manifest manifest;
    for (const auto& store : trained_) {
      Train(store.get());
      const auto file = WriteShardFile(store.get(), folder_.path());
      CHECK(file.ok()) << file.status().text();
      *manifest.add_file() = *file;
    }
    CHECK(WriteManifest(folder_.path(), manifest).ok());
    load_.set_dir(folder_.path());
  }

  static void Train(ShardStore* store) {
    for (std::size_t table = 0; table < store->tables(); ++table) {
      std::vector<Key> keys;
      for (Key key = 0; key < 500; ++key) {
        if (store->Owns(key)) keys.push_back(key);
      }
      std::vector<float> sums(keys.size() * store->table(table).layout().weight_floats());
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = UnitFloat(Mix(table, i)) - 0.5f;
      CHECK(store->table(table).Push(keys, sums.data(), {.clock = 9, .seconds = 9, .noise = 9}).ok());
    }
    std::vector<float> sums(store->dense().weight_floats());
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = UnitFloat(i) - 0.5f;
    store->dense().Push(sums.data(), 1, 1);
  }

  void Load(const std::string& name, const std::string& from) {
    proto::LoadPart* part = load_.add_part();
    part->set_name(name);
    part->set_from(from);
  }

  static Contents All(const Stores& stores) {
    Contents all;
    for (const auto& store : stores) all.merge(ContentsOf(*store));
    return all;
  }

  // All blocks of a tensor in order: weights, and then state.
  static std::pair<std::vector<float>, std::vector<float>> Dense(const Stores& stores, std::uint32_t tensor) {
    std::map<std::uint32_t, std::vector<float>> weights, states;
    for (const auto& store : stores) {
      for (std::size_t i = 0; i < store->dense().blocks().size(); ++i) {
        const DenseBlocks::Block& block = store->dense().blocks()[i];
        const auto values = store->dense().Values(i);
        if (block.place.tensor != tensor) continue;
        weights[block.place.first].assign(values.begin(), values.begin() + block.place.length);
        states[block.place.first].assign(values.begin() + block.place.length, values.end());
      }
    }
    std::pair<std::vector<float>, std::vector<float>> joined;
    for (const auto& [first, part] : weights) joined.first.insert(joined.first.end(), part.begin(), part.end());
    for (const auto& [first, part] : states) joined.second.insert(joined.second.end(), part.begin(), part.end());
    return joined;
  }

  TemporaryFolder folder_;
  proto::ModelSpec theirs_;
  Stores trained_;
  proto::LoadCheckpoint load_;
};

TEST_F(WarmStartTest, PartsComeByNameOntoAnyNumberOfShardsAndTheRestIsNew) {
  for (const std::uint32_t shards : {1u, 2u, 5u}) {
    proto::ModelSpec ours;  // in another order, with other names
    AddTable("user", 3, true, &ours);
    AddTable("new", 4, true, &ours);
    AddTensor("tower.b", 2500, true, &ours);
    AddTensor("head", 2500, true, &ours);
    load_.clear_part();
    Load("user", "users");
    Load("tower.b", "deep.1");
    Stores stores = MakeStores(ours, 7, shards);
    for (const auto& store : stores) {
      Train(store.get());  // what is there before is dropped
      const Status status = LoadParts(load_, store.get());
      ASSERT_TRUE(status.ok()) << status.text();
    }
    const Contents contents = All(stores), theirs = All(trained_);
    std::size_t rows = 0;
    for (const auto& [key, row] : contents) {
      if (key.first < 0) continue;
      EXPECT_EQ(key.first, 0) << "the new table has no rows";
      EXPECT_EQ(row, theirs.at({1, key.second}));
      ++rows;
    }
    EXPECT_EQ(rows, 500u);
    EXPECT_EQ(Dense(stores, 0), Dense(trained_, 1));
    EXPECT_EQ(Dense(stores, 1), Dense(MakeStores(ours, 7, 1), 1));
  }
}

TEST_F(WarmStartTest, AnotherOptimizerBeginsAnewWithTheirWeights) {
  proto::ModelSpec ours;
  AddTable("items", 4, false, &ours);
  AddTensor("deep.0", 2500, false, &ours);
  Load("items", "items");
  Load("deep.0", "deep.0");
  Stores stores = MakeStores(ours, 7, 2);
  for (const auto& store : stores) ASSERT_TRUE(LoadParts(load_, store.get()).ok());
  const Contents contents = All(stores), theirs = All(trained_);
  for (Key key = 0; key < 500; ++key) {
    const auto& row = contents.at({0, key});
    const auto& their_row = theirs.at({0, key});
    ASSERT_EQ(row.size(), 8u);
    EXPECT_TRUE(std::equal(row.begin(), row.begin() + 4, their_row.begin()));
    EXPECT_THAT(std::vector<float>(row.begin() + 4, row.end()), ElementsAre(0.25f, 0.25f, 0.25f, 0.25f));
  }
  EXPECT_EQ(Dense(stores, 0).first, Dense(trained_, 0).first);
  EXPECT_THAT(Dense(stores, 0).second, testing::Each(0.0f));
}

TEST_F(WarmStartTest, WhatDoesNotFitIsNamed) {
  proto::ModelSpec ours;
  AddTable("items", 5, true, &ours);
  AddTensor("deep.0", 2400, true, &ours);
  const auto load = [&](const std::string& name, const std::string& from) {
    load_.clear_part();
    Load(name, from);
    return LoadParts(load_, MakeStores(ours, 7, 1)[0].get()).text();
  };
  EXPECT_THAT(load("items", "items"), HasSubstr("table 'items' has other segments or dims"));
  EXPECT_THAT(load("items", "item"), HasSubstr("the checkpoint has no table 'item'"));
  EXPECT_THAT(load("deep.0", "deep.0"), HasSubstr("tensor 'deep.0' has another shape"));
  EXPECT_THAT(load("deep.0", "deep.9"), HasSubstr("the checkpoint has no tensor 'deep.9'"));
}

TEST(LocalCheckpointsTest, OlderFoldersThanTheNewestKeptGo) {
  const TemporaryFolder folder;
  for (const char* name : {"checkpoint-000001", "checkpoint-000002", "checkpoint-999999", "checkpoint-1000000",
                           "checkpoint-1000001", "other"}) {
    ASSERT_TRUE(MakeDirectory(JoinPath(folder.path(), name)).ok());
  }
  proto::Prune prune;
  EXPECT_TRUE(PruneLocalCheckpoints(folder.path(), prune).ok());
  prune.add_keep("checkpoint-1000000");
  prune.add_keep("checkpoint-000002");
  EXPECT_TRUE(PruneLocalCheckpoints(folder.path(), prune).ok());
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    names.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(names, UnorderedElementsAre("checkpoint-000002", "checkpoint-1000000", "checkpoint-1000001", "other"));
  EXPECT_TRUE(PruneLocalCheckpoints(folder.path() + "/nowhere", prune).ok());
}

}  // namespace
}  // namespace sherd
