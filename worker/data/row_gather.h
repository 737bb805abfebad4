#pragma once

#include <cstddef>
#include <cstdint>

#include "base/hash.h"

namespace sherd {

// Rows that are picked out of a block, and where each goes.
struct PickedRows {
  const std::uint32_t* rows;
  const std::uint32_t* places;
  std::size_t count;
};

// Some columns that stand side by side: for each, which entry each row has, and where its entries begin. Row r's ids
// stand at ids + r * stride,.
template <typename Id>
struct IdColumns {
  const Id* ids;
  std::size_t stride;
  const std::int64_t* begins;  // [columns]
  std::size_t columns;
};

// out[place * out_stride + c] = values[begins[c] + ids[row][c]], for all picked rows and columns.
void GatherRows(const IdColumns<std::uint16_t>& from, const PickedRows& rows, const Key* values, Key* out,
                std::size_t out_stride);
void GatherRows(const IdColumns<std::uint32_t>& from, const PickedRows& rows, const Key* values, Key* out,
                std::size_t out_stride);
// The same of numbers, which are few.
template <typename Id>
void GatherRows(const IdColumns<Id>& from, const PickedRows& rows, const float* values, float* out,
                std::size_t out_stride) {
  for (std::size_t i = 0; i < rows.count; ++i) {
    const Id* const ids = from.ids + rows.rows[i] * from.stride;
    float* const to = out + rows.places[i] * out_stride;
    for (std::size_t c = 0; c < from.columns; ++c) to[c] = values[from.begins[c] + ids[c]];
  }
}

}  // namespace sherd
