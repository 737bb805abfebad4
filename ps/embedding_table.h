#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/hash.h"
#include "ps/key_index.h"
#include "ps/row_blocks.h"
#include "ps/row_layout.h"

namespace sherd {

// The rows of one table that a shard owns. A pull never changes it: a key without a row is answered by its initializer,
// and the first push makes the row. Thread-compatible.
class EmbeddingTable {
 public:
  // For keys of the slots [first, end). `stream` is TableStream(seed, name).
  EmbeddingTable(RowLayout layout, std::uint64_t stream, Slot first, Slot end);

  const RowLayout& layout() const { return layout_; }

  // The weights of each key's row, [keys, weight_floats].
  void Pull(std::span<const Key> keys, float* values) const;

  // One optimizer step of each key's row by `sums`, [keys, weight_floats], divided by `divisor`. Keys are distinct. A
  // row whose gradient has a NaN or an infinity keeps all its bits and is counted.
  void Push(std::span<const Key> keys, const float* sums, float divisor, float rate_scale);

  // Makes the row of a key, or replaces it; `row` is [row_floats].
  void Restore(Key key, std::span<const float> row);

  // Rows of a slot by ascending key: their number, and each with its memory.
  void KeysOfSlot(Slot slot, std::vector<KeyIndex::KeyAt>* keys) const { index_.KeysOfSlot(slot, keys); }
  std::span<const float> RowAt(std::uint32_t position) const { return {rows_.Row(position), layout_.row_floats()}; }

  std::uint64_t rows() const { return index_.size(); }
  std::uint64_t bytes() const { return index_.bytes() + rows_.bytes(); }
  std::uint64_t refused_rows() const { return refused_rows_; }

 private:
  // Keys that are looked up together: enough to keep all of a core's cache misses in flight, few enough that what was
  // prefetched is still there when it is used.
  static constexpr std::size_t kGroup = 64;

  void PullGroup(std::span<const Key> keys, float* values) const;
  void PushGroup(std::span<const Key> keys, const float* sums, float divisor, float rate_scale);
  void FindOrMakeRows(std::span<const Key> keys, float** rows);
  void PrefetchRow(const float* row, std::uint32_t floats) const;
  std::uint32_t Position(Key key, std::uint64_t hash);

  const RowLayout layout_;
  const std::uint64_t stream_;
  KeyIndex index_;
  RowBlocks rows_;
  AlignedBuffer<float> scratch_;
  std::uint64_t refused_rows_ = 0;
};

}  // namespace sherd
