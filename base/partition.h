#pragma once

#include <cstdint>

#include "base/hash.h"

namespace sherd {

// The fixed way from a key to its place. A key's slot never changes; slots are dealt to shards in ranges, so any number
// of shards up to kSlots divides them evenly.
inline constexpr Slot kSlots = 4096;

constexpr Slot SlotOf(Key key) { return static_cast<Slot>(Mix(key) >> 52); }

// Shard i of n owns the slots [FirstSlot(i, n), FirstSlot(i + 1, n)).
constexpr Slot FirstSlot(std::uint32_t shard, std::uint32_t shards) {
  return static_cast<Slot>((std::uint64_t{shard} * kSlots + shards - 1) / shards);
}
constexpr std::uint32_t ShardOfSlot(Slot slot, std::uint32_t shards) {
  return static_cast<std::uint32_t>(std::uint64_t{slot} * shards / kSlots);
}
constexpr std::uint32_t ShardOf(Key key, std::uint32_t shards) { return ShardOfSlot(SlotOf(key), shards); }

// Dense parameters are cut into blocks of this many floats, each within one tensor (the last of a tensor is shorter).
inline constexpr std::uint32_t kDenseBlockFloats = 1024;

}  // namespace sherd
