#include "base/hash.h"

#include <nmmintrin.h>
#include <xxhash.h>

#include <array>
#include <cstring>

namespace sherd {

std::uint64_t HashBytes(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

namespace {

constexpr std::size_t kLane = 1024;  // bytes

std::uint64_t Extend(std::uint64_t state, const std::byte* bytes, std::size_t at) {
  std::uint64_t word;
  std::memcpy(&word, bytes + at, sizeof(word));
  return _mm_crc32_u64(state, word);
}

// What kLane bytes of zeros make of a state: linear in its bits, so that a look-up a byte of it will do.
class ZeroLane {
 public:
  ZeroLane() {
    for (std::uint32_t byte = 0; byte < 4; ++byte) {
      for (std::uint32_t value = 0; value < 256; ++value) {
        std::uint64_t state = value << (8 * byte);
        for (std::size_t i = 0; i < kLane / 8; ++i) state = _mm_crc32_u64(state, 0);
        table_[byte][value] = static_cast<std::uint32_t>(state);
      }
    }
  }
  std::uint64_t operator()(std::uint64_t state) const {
    return table_[0][state & 255] ^ table_[1][state >> 8 & 255] ^ table_[2][state >> 16 & 255] ^ table_[3][state >> 24];
  }

 private:
  std::uint32_t table_[4][256];
};

}  // namespace

// The instruction takes three cycles but can be begun in each: three lanes at a time, put together by the checksum's
// linearity.
std::uint32_t Crc32c(std::span<const std::byte> bytes, std::uint32_t crc) {
  static const ZeroLane pass_lane;
  std::uint64_t state = ~crc;
  const std::byte* p = bytes.data();
  std::size_t n = bytes.size();
  for (; n >= 3 * kLane; p += 3 * kLane, n -= 3 * kLane) {
    std::uint64_t second = 0, third = 0;
    for (std::size_t i = 0; i < kLane; i += 8) {
      state = Extend(state, p, i);
      second = Extend(second, p + kLane, i);
      third = Extend(third, p + 2 * kLane, i);
    }
    state = pass_lane(pass_lane(state) ^ second) ^ third;
  }
  for (; n >= 8; p += 8, n -= 8) state = Extend(state, p, 0);
  for (; n > 0; ++p, --n) state = _mm_crc32_u8(static_cast<std::uint32_t>(state), static_cast<std::uint8_t>(*p));
  return ~static_cast<std::uint32_t>(state);
}

namespace {

// Polynomials over GF(2) modulo Castagnoli's, the coefficient of x^0 in the highest bit.
constexpr std::uint32_t kOne = 1u << 31;

constexpr std::uint32_t Multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (; a != 0; a <<= 1) {
    product ^= b & (0 - (a >> 31));
    b = (b >> 1) ^ (0x82f63b78 & (0 - (b & 1)));
  }
  return product;
}

// x^(8 * 2^i).
constexpr std::array<std::uint32_t, 64> kPowers = [] {
  std::array<std::uint32_t, 64> powers{kOne >> 8};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = Multiply(powers[i - 1], powers[i - 1]);
  return powers;
}();

}  // namespace

std::uint32_t Crc32cOfBoth(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes) {
  for (std::size_t i = 0; second_bytes >> i != 0; ++i) {
    if ((second_bytes >> i & 1) != 0) first = Multiply(first, kPowers[i]);
  }
  return first ^ second;
}

}  // namespace sherd
