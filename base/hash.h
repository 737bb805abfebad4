#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace sherd {

using Key = std::uint64_t;
using Slot = std::uint32_t;

// Placement, files on disk and initial weights all follow from the functions below: changing one changes every
// checkpoint. Golden values stand in tests/base/hash_test.cc.

// A bijection of 64-bit integers whose every output bit depends on every input bit (the finalizer of splitmix64, Steele
// et al. 2014). Slots take its top 12 bits; a shard's index takes others.
constexpr std::uint64_t Mix(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// A hash of several integers in order: of (seed, epoch, row, lane), say.
constexpr std::uint64_t Mix(std::uint64_t a, std::uint64_t b) { return Mix(a + 0x9e3779b97f4a7c15ull * (b + 1)); }
constexpr std::uint64_t Mix(std::uint64_t a, std::uint64_t b, std::uint64_t c) { return Mix(Mix(a, b), c); }
constexpr std::uint64_t Mix(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d) {
  return Mix(Mix(a, b, c), d);
}

// [0, 1) by the top 24 bits of a hash: exact in float.
constexpr float UnitFloat(std::uint64_t hash) { return static_cast<float>(hash >> 40) * 0x1p-24f; }
// [0, 1) by the top 53 bits.
constexpr double UnitDouble(std::uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1p-53; }
// An integer in [0, n) without division, n > 0 (Lemire 2019, without the rejection: the bias is below n / 2^64).
constexpr std::uint64_t Below(std::uint64_t hash, std::uint64_t n) {
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(hash) * n) >> 64);
}

// XXH3, 64 bits.
std::uint64_t HashBytes(std::string_view bytes, std::uint64_t seed = 0);

// The key of a token of a field. `field_hash` is HashBytes(field name), computed once.
inline Key TokenKey(std::uint64_t field_hash, std::string_view token) { return HashBytes(token, field_hash); }
// The key of a bucket, or of any other integer value of a field.
constexpr Key IntegerKey(std::uint64_t field_hash, std::uint64_t value) { return Mix(field_hash, value, 1); }
// The key of a combination of keys, in the order of the cross's fields.
constexpr Key CrossKey(std::uint64_t field_hash, Key a, Key b) { return Mix(field_hash, a, b); }

// CRC32C (Castagnoli), continued from `crc`, by the processor's instructions.
std::uint32_t Crc32c(std::span<const std::byte> bytes, std::uint32_t crc = 0);
// That of two texts one after the other, of which the second has so many bytes, from those of each.
std::uint32_t Crc32cOfBoth(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes);

}  // namespace sherd
