#include "base/crc32c.h"

#include <immintrin.h>

#include <array>
#include <cstring>

#include "base/hash.h"

namespace sherd {
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

// x^n.
constexpr std::uint32_t PowerOfX(std::size_t n) {
  std::uint32_t power = kOne;
  for (; n > 0; --n) power = (power >> 1) ^ (0x82f63b78 & (0 - (power & 1)));
  return power;
}

constexpr std::size_t kBlock = 256;  // bytes that are folded at once: four vectors

// Of each 128 bits, for folding them onto what comes kBits later: x^kBits times x^64 for the first half, which stands
// for the higher powers. A carry-less product of mirrored halves is a power of x too high, so each is one less.
template <std::size_t kBits>
[[gnu::target("avx512f")]] inline __m512i FoldingFactors() {
  constexpr auto kFirst = static_cast<long long>(std::uint64_t{PowerOfX(kBits + 63)} << 32);
  constexpr auto kSecond = static_cast<long long>(std::uint64_t{PowerOfX(kBits - 1)} << 32);
  return _mm512_set_epi64(kSecond, kFirst, kSecond, kFirst, kSecond, kFirst, kSecond, kFirst);
}

[[gnu::target("avx512f,vpclmulqdq")]] inline __m512i Fold(__m512i sum, __m512i factors, __m512i next) {
  constexpr int kXorOfThree = 0x96;
  return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(sum, factors, 0x00),
                                   _mm512_clmulepi64_epi128(sum, factors, 0x11), next, kXorOfThree);
}

// A vector with the same remainder as `state` and so many whole blocks, at `folded`.
[[gnu::target("avx512f,vpclmulqdq")]] void FoldBlocks(std::uint64_t state, const std::byte* bytes, std::size_t blocks,
                                                      std::byte* folded) {
  const auto load = [&](std::size_t vector) __attribute__((target("avx512f"))) {
    return _mm512_loadu_si512(bytes + 64 * vector);
  };
  const __m512i past_block = FoldingFactors<8 * kBlock>(), past_vector = FoldingFactors<512>();
  __m512i a = _mm512_xor_si512(load(0), _mm512_zextsi128_si512(_mm_cvtsi64_si128(static_cast<long long>(state))));
  __m512i b = load(1), c = load(2), d = load(3);
  while (--blocks > 0) {
    bytes += kBlock;
    a = Fold(a, past_block, load(0));
    b = Fold(b, past_block, load(1));
    c = Fold(c, past_block, load(2));
    d = Fold(d, past_block, load(3));
  }
  _mm512_storeu_si512(folded, Fold(Fold(Fold(a, past_vector, b), past_vector, c), past_vector, d));
}

}  // namespace

namespace crc32c {

// The instruction takes three cycles but can be begun in each: three lanes at a time, put together by the checksum's
// linearity.
std::uint32_t ByInstruction(std::span<const std::byte> bytes, std::uint32_t crc) {
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

bool HasVectors() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq");
  return has;
}

std::uint32_t ByVectors(std::span<const std::byte> bytes, std::uint32_t crc) {
  const std::size_t blocks = bytes.size() / kBlock;
  if (blocks == 0) return ByInstruction(bytes, crc);
  std::array<std::byte, 64> folded;
  FoldBlocks(~crc, bytes.data(), blocks, folded.data());
  std::uint64_t state = 0;
  for (std::size_t i = 0; i < folded.size(); i += 8) state = Extend(state, folded.data(), i);
  return ByInstruction(bytes.subspan(blocks * kBlock), ~static_cast<std::uint32_t>(state));
}

}  // namespace crc32c

std::uint32_t Crc32c(std::span<const std::byte> bytes, std::uint32_t crc) {
  return crc32c::HasVectors() ? crc32c::ByVectors(bytes, crc) : crc32c::ByInstruction(bytes, crc);
}

std::uint32_t Crc32cOfBoth(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes) {
  for (std::size_t i = 0; second_bytes >> i != 0; ++i) {
    if ((second_bytes >> i & 1) != 0) first = Multiply(first, kPowers[i]);
  }
  return first ^ second;
}

}  // namespace sherd
