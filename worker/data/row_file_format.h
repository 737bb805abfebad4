#pragma once

#include <cstddef>
#include <cstdint>

namespace sherd {

// The parts of a row file, version 1, as they stand on disk; docs/row_file.md is the full text. All numbers are
// little-endian. Checksums are CRC32C.

inline constexpr char kRowFileMagic[8] = {'S', 'H', 'E', 'R', 'D', 'R', 'O', 'W'};
inline constexpr char kRowFileEnd[8] = {'S', 'H', 'E', 'R', 'D', 'E', 'N', 'D'};
inline constexpr std::uint32_t kRowFileVersion = 1;
inline constexpr std::uint32_t kMaxBlockRows = 1 << 20;
inline constexpr std::uint32_t kMaxStreamBytes = 1 << 30;  // of a payload

// Followed by `schema_bytes` of a serialized RowFileSchema.
struct RowFileHeader {
  char magic[8];
  std::uint32_t version;
  std::uint32_t schema_bytes;
  std::uint32_t schema_crc;
  std::uint32_t crc;  // of all before it
};
static_assert(sizeof(RowFileHeader) == 24);

// How the distinct values of a stream stand in its payload.
enum class Entries : std::uint8_t {
  kIntegers,  // base:i64, then of each 0 when it is missing, else 1 + value - base, in entry_bits
  kFloats,    // f32; NaN: missing
  kDoubles,   // f64; NaN: missing
  kKeys,      // u64
  kTokens,    // lengths in entry_bits, then the bytes
};

// One a stream, at the beginning of its block: values of one kind, one after another.
struct StreamHeader {
  std::uint32_t values;
  std::uint32_t entries;        // distinct ones; as many as values: value i is entry i, and there are no ids
  std::uint32_t payload_bytes;  // entries, then the id of each value in id_bits
  std::uint32_t stored_bytes;   // payload_bytes: as it is; less: as one frame of zstd
  Entries kind;
  std::uint8_t entry_bits;
  std::uint8_t id_bits;
  std::uint8_t unused;  // 0
  std::uint32_t crc;    // of what is stored
};
static_assert(sizeof(StreamHeader) == 24);

// Before the stream headers of a block.
struct BlockHead {
  std::uint32_t rows;
  std::uint32_t crc;  // of `rows` and the stream headers
};
static_assert(sizeof(BlockHead) == 8);

// One a block, in order.
struct BlockEntry {
  std::uint64_t offset;         // of its head
  std::uint32_t stored_bytes;   // from there to the next
  std::uint32_t payload_bytes;  // of all its streams
  std::uint32_t rows;
  std::uint32_t unused;  // 0
};
static_assert(sizeof(BlockEntry) == 24);

struct RowFileFooter {
  std::uint64_t index_offset;
  std::uint64_t rows;
  std::uint32_t blocks;
  std::uint32_t index_crc;
  std::uint32_t schema_crc;  // that of the header: begin and end are of one file
  std::uint32_t crc;         // of all before it in the footer
  char magic[8];
};
static_assert(sizeof(RowFileFooter) == 40);

}  // namespace sherd
