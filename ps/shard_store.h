#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/model_spec.pb.h"
#include "proto/wire.pb.h"
#include "ps/dense_blocks.h"
#include "ps/embedding_table.h"

namespace sherd {

struct StoreOptions {
  std::uint64_t memory_budget = 0;  // bytes; 0: any
  std::string spill_dir;            // for rows that go to disk; empty: none may
};

// Everything that a shard keeps: its rows of every table, and its dense blocks. Thread-compatible.
class ShardStore {
 public:
  // Empty tables and the first dense weights. Invalid: the model can not be served; the text says which part.
  static Result<std::unique_ptr<ShardStore>> Make(const proto::ModelSpec& model, std::uint64_t seed,
                                                  std::uint32_t shard, std::uint32_t shards, StoreOptions options = {});

  const proto::ModelSpec& model() const { return model_; }
  std::uint32_t shard() const { return shard_; }
  Slot first_slot() const { return first_slot_; }
  Slot end_slot() const { return end_slot_; }
  bool Owns(Key key) const { return SlotOf(key) - first_slot_ < end_slot_ - first_slot_; }

  std::size_t tables() const { return tables_.size(); }
  EmbeddingTable& table(std::size_t i) { return *tables_[i]; }
  const EmbeddingTable& table(std::size_t i) const { return *tables_[i]; }
  DenseBlocks& dense() { return dense_; }
  const DenseBlocks& dense() const { return dense_; }

  // Gives each table what the others leave of the budget. To be called before what makes tables grow.
  void DealBudget();
  // Deletes rows that are too old. To be called at each clock, before its pushes.
  void Advance(std::uint64_t clock, std::uint32_t seconds);

  std::uint64_t memory_budget() const { return options_.memory_budget; }
  // Back to what Make gave.
  void Clear();

  // What tables and dense blocks take in memory, and of what it is made: "table embedding 1.7 GiB, dense 3.1 MiB".
  std::uint64_t bytes() const;
  std::string DescribeMemory() const;

  // For SHARD_STATUS; the dense blocks are one more table, called "dense", if there are any.
  void Describe(proto::ShardStatus* status) const;

 private:
  ShardStore(proto::ModelSpec model, std::uint64_t seed, std::uint32_t shard, std::uint32_t shards, DenseBlocks dense,
             StoreOptions options);
  void AddTable(std::size_t i, RowLayout layout);

  const proto::ModelSpec model_;
  const std::uint64_t seed_;
  const std::uint32_t shard_, shards_;
  const Slot first_slot_, end_slot_;
  std::vector<std::unique_ptr<EmbeddingTable>> tables_;
  DenseBlocks dense_;
  const StoreOptions options_;
};

}  // namespace sherd
