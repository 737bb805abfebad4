#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/aligned_buffer.h"
#include "worker/data/bit_packing.h"
#include "worker/data/row_file_format.h"

namespace sherd {

// A stream of a block in memory, checked but for its ids: one may be entries or more, and then the file is damaged.
struct BlockStream {
  StreamHeader header;
  const std::byte* payload = nullptr;  // may be read 8 bytes beyond its end; null: it was not asked for
  const std::byte* entries() const { return payload + (header.kind == Entries::kIntegers ? sizeof(std::int64_t) : 0); }
  PackedIntegers ids;
  // Value i is entry i, and there are no ids.
  bool direct() const { return header.entries == header.values; }
  std::size_t id(std::size_t i) const { return direct() ? i : ids[i]; }
};

// The streams that were asked for of a block. Filled again for other blocks, so its memory stops growing.
struct RowBlock {
  std::uint32_t index = 0;
  std::uint32_t rows = 0;
  std::vector<BlockStream> streams;
  AlignedBuffer<std::byte> memory;
};

inline bool IsMissing(double number) { return std::isnan(number); }

// Calls take(i, number) for each entry; NaN: missing.
template <typename Take>
void ForEachNumber(const BlockStream& stream, const Take& take) {
  const std::uint32_t count = stream.header.entries;
  if (stream.header.kind == Entries::kIntegers) {
    std::uint64_t base;
    std::memcpy(&base, stream.payload, sizeof(base));
    const PackedIntegers codes(stream.entries(), stream.header.entry_bits);
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint64_t code = codes[i];
      take(i, code == 0 ? std::nan("") : static_cast<double>(static_cast<std::int64_t>(base + code - 1)));
    }
  } else if (stream.header.kind == Entries::kFloats) {
    for (std::uint32_t i = 0; i < count; ++i) {
      float number;
      std::memcpy(&number, stream.payload + i * sizeof(number), sizeof(number));
      take(i, static_cast<double>(number));
    }
  } else {
    for (std::uint32_t i = 0; i < count; ++i) {
      double number;
      std::memcpy(&number, stream.payload + i * sizeof(number), sizeof(number));
      take(i, number);
    }
  }
}

// Calls take(i, text) for each entry.
template <typename Take>
void ForEachText(const BlockStream& stream, const Take& take) {
  const PackedIntegers lengths(stream.payload, stream.header.entry_bits);
  const std::uint32_t count = stream.header.entries;
  const char* at = reinterpret_cast<const char*>(stream.payload) + PackedBytes(count, stream.header.entry_bits);
  for (std::uint32_t i = 0; i < count; at += lengths[i++]) take(i, std::string_view(at, lengths[i]));
}

}  // namespace sherd
