#include "base/hash.h"

#include <nmmintrin.h>
#include <xxhash.h>

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

}  // namespace sherd
