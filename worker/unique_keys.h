#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/hash.h"

namespace sherd {

// The keys of one table of a minibatch, each once, grouped by the shard that owns it. Request frames, pulled rows and
// gradients all keep this order, so that none of them is ever sorted or copied to fit another.
struct UniqueKeys {
  AlignedBuffer<Key> keys;                 // [unique], ascending shard; within a shard in the order of first occurrence
  std::vector<std::uint32_t> shard_begin;  // [shards + 1]: shard s owns keys [shard_begin[s], shard_begin[s + 1])
  AlignedBuffer<std::uint32_t> inverse;    // [occurrences]: where in `keys` each occurrence's key stands
};

// Makes keys unique through an open-addressing table that is used again for every minibatch: its entries carry the
// number of the minibatch they belong to, so nothing is cleared and, once the largest minibatch was seen, nothing
// allocated. Its size goes by the unique keys, which are far fewer than the occurrences, so that it stays in the cache:
// one maker for each of a model's tables. Confined to one thread.
class UniqueKeysMaker {
 public:
  explicit UniqueKeysMaker(std::uint32_t shards) : shards_(shards), cursor_(shards) {}

  // Fewer than 2^31 occurrences.
  void Make(std::span<const Key> occurrences, UniqueKeys* out);

 private:
  struct Entry {
    Key key;
    std::uint32_t id;     // number of the unique key by first occurrence
    std::uint32_t stamp;  // the minibatch it belongs to
  };

  void Prepare(std::size_t occurrences);
  void Grow(std::uint32_t unique);
  // Fills first_keys_, shard_of_ and cursor_ (keys a shard), and writes ids to `inverse`. The number of unique keys.
  std::uint32_t Number(std::span<const Key> occurrences, std::uint32_t* inverse);
  void GroupByShard(std::uint32_t unique, UniqueKeys* out);

  const std::uint32_t shards_;
  std::vector<Entry> entries_;  // a power of two of them, at most half in use
  std::uint32_t stamp_ = 0;
  AlignedBuffer<Key> first_keys_;          // [unique], by id
  AlignedBuffer<std::uint32_t> shard_of_;  // [unique], by id
  AlignedBuffer<std::uint32_t> position_;  // [unique], by id: place in UniqueKeys::keys
  std::vector<std::uint32_t> cursor_;      // [shards]
};

}  // namespace sherd
