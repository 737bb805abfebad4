#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace sherd {

// Unsigned integers of a fixed number of bits, 0 to 56, one behind the other from the lowest bit of the first byte on
// (little-endian).
inline constexpr int kMaxPackedBits = 56;

constexpr std::uint64_t PackedBytes(std::uint64_t count, int bits) { return (count * bits + 7) / 8; }

// Bits that hold all of 0 to `largest`.
constexpr int BitsOf(std::uint64_t largest) { return largest == 0 ? 0 : 64 - __builtin_clzll(largest); }

// One of them at random. Reads 8 bytes, which may be up to 7 behind the last packed one.
class PackedIntegers {
 public:
  PackedIntegers() = default;
  PackedIntegers(const std::byte* bytes, int bits)
      : bytes_(bytes), bits_(bits), mask_((std::uint64_t{1} << bits) - 1) {}
  const std::byte* bytes() const { return bytes_; }
  std::uint64_t operator[](std::size_t i) const {
    const std::size_t bit = i * static_cast<std::size_t>(bits_);
    std::uint64_t word;
    std::memcpy(&word, bytes_ + bit / 8, sizeof(word));
    return word >> bit % 8 & mask_;
  }

 private:
  const std::byte* bytes_ = nullptr;
  int bits_ = 0;
  std::uint64_t mask_ = 0;
};

// Appends `count` of them, value(i) each, to `out`.
template <typename Value>
void AppendPacked(std::size_t count, int bits, const Value& value, std::string* out) {
  const std::size_t begin = out->size();
  out->resize(begin + PackedBytes(count, bits) + sizeof(std::uint64_t));
  char* at = out->data() + begin;
  std::uint64_t word = 0;
  int filled = 0;
  for (std::size_t i = 0; i < count; ++i) {
    word |= static_cast<std::uint64_t>(value(i)) << filled;
    filled += bits;
    std::memcpy(at, &word, sizeof(word));
    at += filled / 8;
    word >>= filled / 8 * 8;
    filled %= 8;
  }
  std::memcpy(at, &word, sizeof(word));
  out->resize(begin + PackedBytes(count, bits));
}

}  // namespace sherd
