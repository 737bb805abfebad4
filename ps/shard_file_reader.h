#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/partition.h"
#include "base/status.h"
#include "proto/model_spec.pb.h"
#include "ps/shard_file.h"

namespace sherd {

// Takes what a shard's file holds, block by block. An error ends the reading. Keys of a slot come by ascending
// Mix(key); in files of versions 1 and 2 by ascending key.
class ShardFileVisitor {
 public:
  virtual ~ShardFileVisitor() = default;
  // Rows of one slot of a table (its index in the file's own ModelSpec); rows are [keys, row bytes].
  virtual Status OnRows(std::uint32_t table, std::span<const Key> keys, std::span<const std::byte> rows) = 0;
  // Keys of one slot that have no row yet, and how often each was seen.
  virtual Status OnCandidates(std::uint32_t table, std::span<const Key> keys,
                              std::span<const std::uint32_t> sightings) = 0;
  // Of a delta: keys of one slot that have neither any more.
  virtual Status OnDeleted(std::uint32_t table, std::span<const Key> keys) = 0;
  // A dense block: `values` are its `length` weights and its state.
  virtual Status OnDense(std::uint32_t tensor, std::uint32_t first, std::uint32_t length,
                         std::span<const float> values) = 0;
};

// One file of a checkpoint. What it says of itself is checked before it is believed: every size against the file's
// before memory is asked for, every block against its CRC. Thread-compatible.
class ShardFileReader {
 public:
  // BadData: not such a file, damaged, or cut off; NotFound: there is none.
  static Result<std::unique_ptr<ShardFileReader>> Open(const std::string& path);

  const proto::ModelSpec& model() const { return model_; }
  Slot first_slot() const { return first_slot_; }
  Slot end_slot() const { return first_slot_ + static_cast<Slot>(index_.size()); }
  bool delta() const { return delta_; }
  std::uint64_t rows() const { return rows_; }
  // Of each table; none in versions 1 and 2.
  std::span<const TableCounts> counts() const { return counts_; }
  std::uint64_t bytes() const { return file_->size(); }
  // What the file says of its own CRC32C. Nothing in versions 1 and 2.
  std::optional<std::uint32_t> crc() const { return crc_; }

  // Everything of one slot, which is one of the file's. BadData names file, block and slot.
  Status ReadSlot(Slot slot, ShardFileVisitor* visitor);

 private:
  explicit ShardFileReader(std::unique_ptr<FileReader> file) : file_(std::move(file)) {}
  Status ReadHeader();
  Status ReadFooter();
  Status ReadIndex(std::uint64_t offset, std::uint64_t end, std::uint32_t crc);
  // The block at `offset`, of which at most `left` bytes may be. `bytes`: that it has.
  Status ReadBlock(Slot slot, std::uint64_t offset, std::uint64_t left, std::uint64_t* bytes,
                   ShardFileVisitor* visitor);
  // As version 3 has it; `crc` is that of the header's bytes.
  Result<BlockHeader> ReadBlockHeader(std::uint64_t offset, std::uint32_t* crc);
  Status CheckBlock(const BlockHeader& header, Slot slot);
  std::uint64_t BlockHeaderBytes() const;
  Status Unpack(const BlockHeader& header);
  Status CheckKeys(const BlockHeader& header, std::span<const Key> keys);
  Status HandOn(const BlockHeader& header, std::span<const std::byte> payload, ShardFileVisitor* visitor);
  Status HandOnDense(const BlockHeader& header, std::span<const std::byte> payload, ShardFileVisitor* visitor) const;

  const std::unique_ptr<FileReader> file_;
  std::uint32_t version_ = 0;
  proto::ModelSpec model_;
  Slot first_slot_ = 0;
  bool delta_ = false;
  std::uint64_t blocks_begin_ = 0, blocks_end_ = 0;
  std::vector<SlotEntry> index_;
  std::vector<TableCounts> counts_;
  std::uint64_t rows_ = 0;
  std::optional<std::uint32_t> crc_;
  std::optional<std::pair<std::uint32_t, BlockKind>> last_block_;  // of the slot
  std::optional<std::uint64_t> last_key_;                          // of that block, or its hash
  AlignedBuffer<std::byte> stored_, payload_;
};

}  // namespace sherd
