#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace sherd {

// The parts of a shard's checkpoint file, version 2, as they stand on disk; docs/checkpoint_format.md is the full text.
// All numbers are little-endian.

inline constexpr char kShardFileMagic[8] = {'S', 'H', 'E', 'R', 'D', 'S', 'H', 'D'};
inline constexpr char kShardFileEnd[8] = {'S', 'H', 'E', 'R', 'D', 'E', 'N', 'D'};
inline constexpr std::uint32_t kShardFileVersion = 2;                 // 1 is read too
inline constexpr std::uint32_t kDenseTable = ~std::uint32_t{0};       // BlockHeader.table of dense blocks
inline constexpr std::uint32_t kCandidates = std::uint32_t{1} << 31;  // in BlockHeader.table: of that table
inline constexpr std::size_t kBlockBytes = std::size_t{1} << 18;      // a block's payload, about

// Followed by `spec_bytes` of a serialized ModelSpec and its CRC32C.
struct FileHeader {
  char magic[8];
  std::uint32_t version;
  std::uint32_t first_slot, end_slot;
  std::uint32_t spec_bytes;
  std::uint32_t spec_crc;
  std::uint32_t crc;  // of all before it
};
static_assert(sizeof(FileHeader) == 32);

// Followed by the payload. A table's: keys (u64 x rows), then rows as they stand in memory (ps/row_layout.h). Of
// candidates for admission: keys, then how often each was seen (u32 x rows). Of dense blocks `rows` is 1 and the
// payload a DenseHeader and the block's floats.
struct BlockHeader {
  std::uint32_t table;
  std::uint32_t slot;
  std::uint32_t rows;
  std::uint32_t row_bytes;  // version 1: floats a row
  std::uint32_t payload_bytes;
  std::uint32_t crc;  // of the five numbers before it and the payload
};
static_assert(sizeof(BlockHeader) == 24);

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

struct FileFooter {
  std::uint64_t index_offset;
  std::uint64_t rows;  // in all tables
  std::uint32_t index_crc;
  std::uint32_t crc;  // of all before it
  char magic[8];
};
static_assert(sizeof(FileFooter) == 32);

// shard-3.sherd
std::string ShardFileName(std::uint32_t shard);

}  // namespace sherd
