#include "worker/row_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

namespace sherd {
namespace {

// The floats of a work's rows in a shard, table by table.
std::size_t FloatsOf(const Work& work, std::uint32_t shard, const ParameterLayout& layout) {
  std::size_t floats = 0;
  for (std::size_t table = 0; table < work.keys.size(); ++table) {
    const std::vector<std::uint32_t>& begin = work.keys[table].shard_begin;
    floats += std::size_t{begin[shard + 1] - begin[shard]} * layout.row_floats[table];
  }
  return floats;
}

// Room for `size` elements at least, and for more than the first minibatch needs, whose keys are not the most.
template <typename T>
void MakeRoom(std::size_t size, AlignedBuffer<T>* buffer) {
  if (buffer->size() < size) buffer->Resize(size + size / 4);
}

}  // namespace

RowCache::RowCache(std::uint32_t floats, std::uint32_t rows, std::uint32_t clocks)
    : floats_(floats),
      clocks_(clocks),
      mask_(std::bit_floor(std::max(rows, 1u)) - 1),
      entries_(mask_ + 1),
      values_((mask_ + 1) * floats) {}

RowCache::Row RowCache::Find(Key key, std::uint64_t clock) const {
  const std::size_t place = PlaceOf(key);
  const Entry& entry = entries_[place];
  if (entry.empty || entry.key != key || clock > entry.pulled + clocks_) return {.values = nullptr, .as_of = 0};
  return {.values = &values_[place * floats_], .as_of = entry.as_of};
}

void RowCache::Put(Key key, std::uint64_t clock, std::uint64_t as_of, const float* values) {
  const std::size_t place = PlaceOf(key);
  entries_[place] = {.key = key, .pulled = clock, .as_of = as_of, .empty = false};
  std::memcpy(&values_[place * floats_], values, floats_ * sizeof(float));
}

void RowCache::Clear() {
  for (Entry& entry : entries_) entry.empty = true;
}

void RowCaches::GiveKept(Work* work) {
  while (tables_.size() < layout_->row_floats.size()) {
    tables_.emplace_back(layout_->row_floats[tables_.size()], options_.rows, options_.clocks);
  }
  work->missing.resize(work->keys.size());
  for (UniqueKeys& missing : work->missing) missing.shard_begin.assign(1, 0);
  for (std::size_t table = 0; table < work->keys.size(); ++table) {
    MakeRoom(work->keys[table].keys.size(), &work->missing[table].keys);
    MakeRoom(work->keys[table].keys.size(), &work->missing[table].inverse);
  }
  work->decoded.resize(layout_->shards);
  for (std::uint32_t shard = 0; shard < layout_->shards; ++shard) {
    MakeRoom(FloatsOf(*work, shard, *layout_), &work->decoded[shard]);
    float* to = work->decoded[shard].data();
    for (std::size_t table = 0; table < work->keys.size(); ++table) {
      const UniqueKeys& all = work->keys[table];
      UniqueKeys& missing = work->missing[table];
      const std::uint32_t floats = layout_->row_floats[table];
      std::uint32_t count = missing.shard_begin.back();
      for (std::uint32_t i = all.shard_begin[shard]; i < all.shard_begin[shard + 1]; ++i, to += floats) {
        const RowCache::Row row = tables_[table].Find(all.keys[i], work->clock);
        if (row.values == nullptr) {
          missing.keys[count] = all.keys[i];
          missing.inverse[count++] = i - all.shard_begin[shard];
          continue;
        }
        std::memcpy(to, row.values, floats * sizeof(float));
        work->staleness = std::max(work->staleness, work->clock - std::min(row.as_of, work->clock));
      }
      missing.shard_begin.push_back(count);
    }
  }
}

void RowCaches::TakePulled(std::uint32_t shard, std::uint64_t answer_clock, proto::Encoding encoding, Work* work) {
  std::vector<Frame>& frames = work->values[shard];
  float* to = work->decoded[shard].data();
  std::vector<Frame>::iterator came = frames.begin();
  views_.clear();
  views_.reserve(work->keys.size());
  for (std::size_t table = 0; table < work->keys.size(); ++table) {
    const std::vector<std::uint32_t>& begin = work->keys[table].shard_begin;
    const UniqueKeys& missing = work->missing[table];
    const std::uint32_t floats = layout_->row_floats[table];
    const std::size_t count = begin[shard + 1] - begin[shard];
    if (count == 0) continue;
    const std::uint32_t first = missing.shard_begin[shard], end = missing.shard_begin[shard + 1];
    if (first < end) {
      const ValueCodec& codec = layout_->row_codecs[table];
      const std::byte* from = (came++)->bytes().data();
      for (std::uint32_t i = first; i < end; ++i, from += codec.bytes(encoding)) {
        float* const row = to + std::size_t{missing.inverse[i]} * floats;
        codec.Decode(encoding, from, row);
        tables_[table].Put(missing.keys[i], work->clock, std::min(answer_clock, work->clock), row);
      }
    }
    views_.emplace_back(std::as_bytes(std::span(to, count * floats)), nullptr);  // the work's own memory
    to += count * floats;
  }
  std::swap(frames, views_);
  views_.clear();
}

void RowCaches::Clear() {
  for (RowCache& table : tables_) table.Clear();
}

}  // namespace sherd
