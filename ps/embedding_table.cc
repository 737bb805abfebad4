#include "ps/embedding_table.h"

#include <algorithm>
#include <cstring>

#include "ps/optimizer/gradient.h"

namespace sherd {

EmbeddingTable::EmbeddingTable(RowLayout layout, std::uint64_t stream, Slot first, Slot end)
    : layout_(std::move(layout)), stream_(stream), index_(first, end), rows_(layout_.row_floats()) {}

void EmbeddingTable::Pull(std::span<const Key> keys, float* values) const {
  for (std::size_t i = 0; i < keys.size(); i += kGroup) {
    const std::size_t n = std::min(kGroup, keys.size() - i);
    PullGroup(keys.subspan(i, n), values + i * layout_.weight_floats());
  }
}

// Three passes, each of which starts the memory accesses of the next for the whole group.
void EmbeddingTable::PullGroup(std::span<const Key> keys, float* values) const {
  std::array<std::uint64_t, kGroup> hashes;
  std::array<const float*, kGroup> rows;
  const std::uint32_t floats = layout_.weight_floats();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    hashes[i] = Mix(keys[i]);
    index_.Prefetch(hashes[i]);
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::uint32_t position = index_.Find(keys[i], hashes[i]);
    rows[i] = position == KeyIndex::kNone ? nullptr : rows_.Row(position);
    if (rows[i] != nullptr) PrefetchRow(rows[i], floats);
  }
  for (std::size_t i = 0; i < keys.size(); ++i, values += floats) {
    if (rows[i] != nullptr) {
      std::memcpy(values, rows[i], floats * sizeof(float));
    } else {
      layout_.InitWeights(RowStream(stream_, keys[i]), values);
    }
  }
}

void EmbeddingTable::Push(std::span<const Key> keys, const float* sums, float divisor, float rate_scale) {
  for (std::size_t i = 0; i < keys.size(); i += kGroup) {
    const std::size_t n = std::min(kGroup, keys.size() - i);
    PushGroup(keys.subspan(i, n), sums + i * layout_.weight_floats(), divisor, rate_scale);
  }
}

void EmbeddingTable::PushGroup(std::span<const Key> keys, const float* sums, float divisor, float rate_scale) {
  std::array<std::uint8_t, kGroup> finite;
  const std::uint32_t floats = layout_.weight_floats();
  if (FindFiniteRows(sums, keys.size(), floats, finite.data()) < keys.size()) {
    // Rare: the good ones each by itself.
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (finite[i] != 0) {
        PushGroup(keys.subspan(i, 1), sums + i * floats, divisor, rate_scale);
      } else {
        ++refused_rows_;
      }
    }
    return;
  }
  std::array<float*, kGroup> rows;
  FindOrMakeRows(keys, rows.data());
  for (const RowLayout::Segment& segment : layout_.segments()) {
    const RowBatch batch{.rows = {rows.data(), keys.size()},
                         .weights = segment.weights,
                         .state = segment.state,
                         .dim = segment.dim,
                         .gradients = sums + segment.weights,
                         .stride = floats};
    segment.optimizer->Update(batch, divisor, rate_scale, &scratch_);
  }
}

void EmbeddingTable::FindOrMakeRows(std::span<const Key> keys, float** rows) {
  std::array<std::uint64_t, kGroup> hashes;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    hashes[i] = Mix(keys[i]);
    index_.Prefetch(hashes[i]);
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    rows[i] = rows_.Row(Position(keys[i], hashes[i]));
    PrefetchRow(rows[i], layout_.row_floats());
  }
}

std::uint32_t EmbeddingTable::Position(Key key, std::uint64_t hash) {
  const std::uint32_t fresh = rows_.size();
  CHECK_NE(fresh, KeyIndex::kNone) << "a table's rows in one shard are numbered by 32 bits: use more shards";
  const std::uint32_t position = index_.FindOrInsert(key, hash, fresh);
  if (position != fresh) return position;
  rows_.Add();
  float* row = rows_.Row(fresh);
  layout_.InitWeights(RowStream(stream_, key), row);
  layout_.InitState(row);
  return fresh;
}

void EmbeddingTable::PrefetchRow(const float* row, std::uint32_t floats) const {
  constexpr std::uint32_t kLine = kAlignment / sizeof(float);
  // Beyond a few lines the processor's own prefetcher has seen the pattern.
  for (std::uint32_t i = 0; i < std::min(floats, 8 * kLine); i += kLine) __builtin_prefetch(row + i);
}

void EmbeddingTable::Restore(Key key, std::span<const float> row) {
  CHECK_EQ(row.size(), layout_.row_floats());
  std::memcpy(rows_.Row(Position(key, Mix(key))), row.data(), row.size_bytes());
}

}  // namespace sherd
