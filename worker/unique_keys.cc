#include "worker/unique_keys.h"

#include <glog/logging.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/partition.h"

namespace sherd {
namespace {

constexpr std::size_t kBlock = 32;  // keys whose entries are fetched together, ahead of their look-up

}  // namespace

void UniqueKeysMaker::Prepare(std::size_t occurrences) {
  CHECK_LT(occurrences, std::size_t{1} << 31);
  if (++stamp_ == 0) {
    std::fill(entries_.begin(), entries_.end(), Entry{});
    stamp_ = 1;
  }
  first_keys_.Resize(occurrences);
  shard_of_.Resize(occurrences);
  std::fill(cursor_.begin(), cursor_.end(), 0);
}

// To twice the size, with what it holds of this minibatch.
void UniqueKeysMaker::Grow(std::uint32_t unique) {
  entries_.assign(std::max<std::size_t>(1024, 2 * entries_.size()), Entry{});
  stamp_ = 1;
  const std::size_t mask = entries_.size() - 1;
  for (std::uint32_t id = 0; id < unique; ++id) {
    std::size_t place = Mix(first_keys_[id]) & mask;
    while (entries_[place].stamp == stamp_) place = (place + 1) & mask;
    entries_[place] = {first_keys_[id], id, stamp_};
  }
}

std::uint32_t UniqueKeysMaker::Number(std::span<const Key> occurrences, std::uint32_t* inverse) {
  std::uint32_t unique = 0;
  std::uint64_t hashes[kBlock];
  for (std::size_t begin = 0; begin < occurrences.size(); begin += kBlock) {
    const std::size_t count = std::min(kBlock, occurrences.size() - begin);
    if (2 * (unique + count) > entries_.size()) Grow(unique);
    Entry* const entries = entries_.data();
    const std::size_t mask = entries_.size() - 1;
    const std::uint32_t stamp = stamp_;
    for (std::size_t i = 0; i < count; ++i) {
      hashes[i] = Mix(occurrences[begin + i]);
      __builtin_prefetch(&entries[hashes[i] & mask], 1);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const Key key = occurrences[begin + i];
      // The low bits: the top ones choose the slot, and keys of one shard would crowd together.
      std::size_t place = hashes[i] & mask;
      while (entries[place].stamp == stamp && entries[place].key != key) place = (place + 1) & mask;
      Entry& entry = entries[place];
      if (entry.stamp != stamp) {
        entry = {key, unique, stamp};
        first_keys_[unique] = key;
        const std::uint32_t shard = ShardOfSlot(static_cast<Slot>(hashes[i] >> 52), shards_);
        shard_of_[unique] = shard;
        ++cursor_[shard];
        ++unique;
      }
      inverse[begin + i] = entry.id;
    }
  }
  return unique;
}

void UniqueKeysMaker::GroupByShard(std::uint32_t unique, UniqueKeys* out) {
  out->shard_begin.resize(shards_ + 1);
  std::uint32_t begin = 0;
  for (std::uint32_t shard = 0; shard < shards_; ++shard) {
    out->shard_begin[shard] = begin;
    begin += std::exchange(cursor_[shard], begin);
  }
  out->shard_begin[shards_] = begin;
  out->keys.Resize(unique);
  if (shards_ == 1) {
    if (unique > 0) std::memcpy(out->keys.data(), first_keys_.data(), unique * sizeof(Key));
    return;
  }
  position_.Resize(unique);
  for (std::uint32_t id = 0; id < unique; ++id) {
    const std::uint32_t position = cursor_[shard_of_[id]]++;
    out->keys[position] = first_keys_[id];
    position_[id] = position;
  }
  for (std::uint32_t& place : out->inverse) place = position_[place];
}

void UniqueKeysMaker::Make(std::span<const Key> occurrences, UniqueKeys* out) {
  Prepare(occurrences.size());
  out->inverse.Resize(occurrences.size());
  const std::uint32_t unique = Number(occurrences, out->inverse.data());
  GroupByShard(unique, out);
}

}  // namespace sherd
