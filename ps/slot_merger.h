#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "ps/checkpoint_reader.h"
#include "ps/row_layout.h"
#include "ps/shard_file_reader.h"

namespace sherd {

// Makes one of what several files hold of a slot, which are given to it in reading order: of each key and dense block
// the last word counts. Thread-compatible.
class SlotMerger : public ShardFileVisitor {
 public:
  // The layouts outlive it.
  explicit SlotMerger(std::span<const RowLayout> layouts) : layouts_(layouts), tables_(layouts.size()) {}

  Status OnRows(std::uint32_t table, std::span<const Key> keys, std::span<const std::byte> rows) override;
  Status OnCandidates(std::uint32_t table, std::span<const Key> keys,
                      std::span<const std::uint32_t> sightings) override;
  Status OnDeleted(std::uint32_t table, std::span<const Key> keys) override;
  Status OnDense(std::uint32_t tensor, std::uint32_t first, std::uint32_t length,
                 std::span<const float> values) override;

  void Finish(CheckpointSlot* contents);

 private:
  struct Entry {
    std::uint64_t hash;
    Key key;
    BlockKind kind;
    std::uint32_t sightings;
    std::size_t row;  // in the table's rows
  };
  struct Table {
    std::vector<Entry> entries;  // in reading order
    std::vector<std::byte> rows;
  };

  const std::span<const RowLayout> layouts_;
  std::vector<Table> tables_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, CheckpointSlot::Dense> dense_;
};

}  // namespace sherd
