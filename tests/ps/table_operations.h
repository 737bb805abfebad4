#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "ps/embedding_table.h"
#include "tests/ps/table_model.h"

namespace sherd {

// Tables of the shards of one job, used as one.
class ShardTables {
 public:
  ShardTables(const RowLayout& layout, std::uint32_t shards, std::uint64_t budget = 0,
              const std::string& spill_dir = {});

  EmbeddingTable& of(Key key) { return *tables_[ShardOf(key, static_cast<std::uint32_t>(tables_.size()))]; }
  const std::vector<std::unique_ptr<EmbeddingTable>>& all() const { return tables_; }
  EmbeddingTable& first() { return *tables_[0]; }
  std::uint64_t budget() const { return budget_; }
  std::uint64_t evicted_rows() const;

  Status Pull(std::span<const Key> keys, std::size_t floats, float* values);
  Status Prepare(std::span<const Key> keys);
  void PushPrepared(std::span<const Key> keys, std::size_t floats, const float* sums, const PushStep& step);

 private:
  // Where in `keys` those of a table are; own_: they themselves.
  std::vector<std::size_t> Choose(std::span<const Key> keys, const EmbeddingTable* table);

  const std::uint64_t budget_;
  std::vector<std::unique_ptr<EmbeddingTable>> tables_;
  std::vector<Key> own_;
};

// Operations on tables and on the model of what they must hold: pull, push, restore, expire. What to do is drawn, from
// a generator or from a fuzzer's bytes. An error is the first difference.
class TableOperations {
 public:
  using Draw = std::function<std::uint64_t()>;
  static constexpr std::uint32_t kAllSlots = 1;

  // `universe` keys of every `sparse`-th slot.
  TableOperations(std::uint32_t dim, const proto::RowStorage& storage, std::size_t universe, std::uint32_t sparse,
                  Draw draw);

  const RowLayout& layout() const { return layout_; }
  const TableModel& model() const { return model_; }

  // One operation on each of `all`, which must come to the same. A table that evicts at its budget must be the only
  // one.
  Status Step(std::span<ShardTables* const> all);
  // Steps until so many keys have been in one, comparing now and then and at the end.
  Status Run(std::span<ShardTables* const> all, std::size_t keys);
  // Slot by slot: the same keys, bytes, clocks and counts as the model's.
  Status Compare(ShardTables* tables);

 private:
  void DrawKeys();
  Status Push(std::span<ShardTables* const> all);
  Status Pull(std::span<ShardTables* const> all);
  Status Restore(std::span<ShardTables* const> all);
  Status RestoreCandidate(std::span<ShardTables* const> all);
  Status Advance(std::span<ShardTables* const> all);
  Status CompareSlot(EmbeddingTable* table, Slot slot);
  Status Follow(ShardTables* tables);
  Status HeedNoRoom(const Status& status, ShardTables* tables, std::size_t keys);

  const RowLayout layout_;
  const bool evicts_;
  const std::uint32_t sparse_;
  const Draw draw_;
  TableModel model_;
  std::vector<Key> universe_, keys_;
  std::vector<float> values_, floats_;
  EmbeddingTable::SlotContents contents_;
  std::size_t rows_seen_ = 0, candidates_seen_ = 0;
};

}  // namespace sherd
