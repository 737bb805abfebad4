#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/hash.h"

namespace sherd {

// The parts of a shard's checkpoint file, version 3, as they stand on disk; docs/checkpoint_format.md is the full text.
// All numbers are little-endian. Checksums are CRC32C.

inline constexpr char kShardFileMagic[8] = {'S', 'H', 'E', 'R', 'D', 'S', 'H', 'D'};
inline constexpr char kShardFileEnd[8] = {'S', 'H', 'E', 'R', 'D', 'E', 'N', 'D'};
inline constexpr std::uint32_t kShardFileVersion = 3;               // 1 and 2 are read too
inline constexpr std::uint32_t kDenseTable = ~std::uint32_t{0};     // BlockHeader.table of dense blocks
inline constexpr std::size_t kBlockBytes = std::size_t{256} << 10;  // a block's payload at most, unless it is one row

// Followed by `spec_bytes` of a serialized ModelSpec.
struct FileHeader {
  char magic[8];
  std::uint32_t version;
  std::uint32_t first_slot, end_slot;
  std::uint32_t delta;  // 1: the file holds what has changed since another; 0: all there is
  std::uint32_t spec_bytes;
  std::uint32_t spec_crc;
  std::uint32_t crc;  // of all before it
};
static_assert(sizeof(FileHeader) == 36);

// What a block's payload is, in the order of a slot's blocks of one table.
enum class BlockKind : std::uint32_t {
  kRows,        // keys (u64 x rows), then rows as they stand in memory (ps/row_layout.h)
  kCandidates,  // keys, then how often each was seen (u32 x rows)
  kDeleted,     // of a delta: keys that have neither a row nor sightings any more
  kDense,       // a DenseHeader, then the block's floats, weights first; `rows` is 1
};

// Followed by the payload as it is stored.
struct BlockHeader {
  std::uint32_t table = 0;
  BlockKind kind = BlockKind::kRows;
  std::uint32_t slot = 0;
  std::uint32_t rows = 0;
  std::uint32_t row_bytes = 0;  // without the key or the DenseHeader
  std::uint32_t payload_bytes = 0;
  std::uint32_t stored_bytes = 0;  // payload_bytes: as it is; less: as one frame of zstd
  std::uint32_t crc = 0;           // of all before it and of what is stored
};
static_assert(sizeof(BlockHeader) == 32);

// Rows, candidates and deleted keys of a slot stand in this order, a key in one of the three at most, in blocks of as
// many as fit.
inline bool ComesBefore(Key a, Key b) { return Mix(a) < Mix(b); }
inline std::size_t RowsOfBlock(std::uint32_t row_bytes) {
  return std::max<std::size_t>(1, kBlockBytes / (sizeof(Key) + row_bytes));
}

struct DenseHeader {
  std::uint32_t tensor;
  std::uint32_t first;
  std::uint32_t length;  // weights
  std::uint32_t unused;  // 0
};
static_assert(sizeof(DenseHeader) == 16);

// One a slot of [first_slot, end_slot), in order: where its blocks stand.
struct SlotEntry {
  std::uint64_t offset;
  std::uint64_t bytes;
};
static_assert(sizeof(SlotEntry) == 16);

// One a table, behind the index: what the file has of it.
struct TableCounts {
  std::uint64_t rows = 0, candidates = 0, deleted = 0;
};
static_assert(sizeof(TableCounts) == 24);

struct FileFooter {
  std::uint64_t index_offset;
  std::uint64_t rows;  // in all tables
  std::uint32_t blocks;
  std::uint32_t index_crc;     // of the index and the counts
  std::uint32_t contents_crc;  // of all the file before the footer
  std::uint32_t crc;           // of all before it in the footer
  char magic[8];
};
static_assert(sizeof(FileFooter) == 40);

// shard-3.sherd
std::string ShardFileName(std::uint32_t shard);

}  // namespace sherd
