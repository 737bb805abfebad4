#include "base/hash.h"

#include <nmmintrin.h>
#include <xxhash.h>

#include <cstring>

namespace sherd {

std::uint64_t HashBytes(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint32_t Crc32c(std::span<const std::byte> bytes, std::uint32_t crc) {
  std::uint64_t state = ~crc;
  const std::byte* p = bytes.data();
  std::size_t n = bytes.size();
  for (; n >= 8; p += 8, n -= 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    state = _mm_crc32_u64(state, word);
  }
  for (; n > 0; ++p, --n) state = _mm_crc32_u8(static_cast<std::uint32_t>(state), static_cast<std::uint8_t>(*p));
  return ~static_cast<std::uint32_t>(state);
}

}  // namespace sherd
