#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "worker/data/block_stream.h"

namespace sherd {

// Which entry each row of a block has in each of some streams, unpacked and row-major. The file has them stream by
// stream, so that rows picked here and there would touch a cache line for each; here they touch one or two a row.
// Filled again for other blocks.
class RowIds {
 public:
  // Of streams of the block with one value a row; one may be there several times. Returns by stream the largest id; one
  // of 2^16 or more is kept whole only where rows may be that many.
  std::vector<std::uint64_t> Fill(const RowBlock& block, const std::vector<const BlockStream*>& streams);

  // Calls with the ids of row 0, of 16 or 32 bits; those of the next row stand stride() behind.
  template <typename Call>
  void Visit(const Call& call) const {
    narrow_ ? call(ids16_.data()) : call(ids32_.data());
  }
  std::size_t stride() const { return streams_; }

  static constexpr std::uint64_t Bytes(std::uint32_t rows, std::size_t streams) {
    return std::uint64_t{rows} * streams * (IsNarrow(rows) ? sizeof(std::uint16_t) : sizeof(std::uint32_t));
  }

 private:
  // So many rows have no more entries than 16 bits tell.
  static constexpr bool IsNarrow(std::uint32_t rows) { return rows <= 1u << 16; }

  std::size_t streams_ = 0;
  bool narrow_ = true;
  AlignedBuffer<std::uint16_t> ids16_;
  AlignedBuffer<std::uint32_t> ids32_;
};

}  // namespace sherd
