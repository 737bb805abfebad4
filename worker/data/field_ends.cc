#include "worker/data/field_ends.h"

#include <bit>
#include <cstring>

// The file includes itself once a SIMD target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/data/field_ends.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int kBlock = 64;

// Bit i tells whether text[i] is the delimiter, for a block.
HWY_ATTR HWY_INLINE std::uint64_t DelimiterMask(const char* text, char delimiter) {
  const hn::CappedTag<std::uint8_t, kBlock> d;
  const auto wanted = hn::Set(d, static_cast<std::uint8_t>(delimiter));
  std::uint8_t bits[kBlock / 8];
  for (std::size_t i = 0; i < kBlock; i += hn::Lanes(d)) {
    const auto bytes = hn::LoadU(d, reinterpret_cast<const std::uint8_t*>(text) + i);
    hn::StoreMaskBits(d, hn::Eq(bytes, wanted), bits + i / 8);
  }
  std::uint64_t mask;
  std::memcpy(&mask, bits, sizeof(mask));
  return mask;
}

// Writes the places of the mask's bits, and something behind them: a loop whose end cannot be foreseen would cost more.
#if HWY_TARGET <= HWY_AVX3

HWY_ATTR HWY_INLINE void WriteEnds(std::uint64_t mask, std::uint32_t base, std::uint32_t* ends) {
  const hn::ScalableTag<std::uint32_t> d;
  std::uint8_t bits[kBlock / 8];
  std::memcpy(bits, &mask, sizeof(mask));
  for (std::uint32_t i = 0; i < kBlock; i += hn::Lanes(d)) {
    const auto lanes = hn::LoadMaskBits(d, bits + i / 8);
    hn::StoreU(hn::Compress(hn::Add(hn::Iota(d, 0), hn::Set(d, base + i)), lanes), d, ends);
    ends += hn::CountTrue(d, lanes);
  }
}

#else

HWY_ATTR HWY_INLINE void WriteEnds(std::uint64_t mask, std::uint32_t base, std::uint32_t* ends) {
  constexpr std::uint64_t kTop = std::uint64_t{1} << 63;  // saves a branch for an empty mask
  for (int left = std::popcount(mask); left > 0; left -= 8) {
    for (int i = 0; i < 8; ++i, mask &= mask - 1) {
      *ends++ = base + static_cast<std::uint32_t>(std::countr_zero(mask | kTop));
    }
  }
}

#endif

HWY_ATTR int FindEnds(const char* text, std::size_t size, char delimiter, int most, std::uint32_t* ends) {
  int found = 0;
  std::size_t i = 0;
  const auto note = [&](std::uint64_t mask) HWY_ATTR {
    if (found < most) WriteEnds(mask, static_cast<std::uint32_t>(i), ends + found);
    found += std::popcount(mask);
  };
  for (; i + kBlock <= size; i += kBlock) note(DelimiterMask(text + i, delimiter));
  const std::size_t rest = size - i;
  if (rest > 0 && size >= kBlock) {  // the line's last block begins within the one before
    note(DelimiterMask(text + size - kBlock, delimiter) >> (kBlock - rest));
  } else if (rest > 0) {
    char block[kBlock] = {};
    std::memcpy(block, text, size);
    note(DelimiterMask(block, delimiter) & ((std::uint64_t{1} << rest) - 1));
  }
  if (found < most) ends[found] = static_cast<std::uint32_t>(size);
  return found + 1;
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(FindEnds);

int FindFieldEnds(std::string_view line, char delimiter, int most, std::uint32_t* ends) {
  return HWY_DYNAMIC_DISPATCH(FindEnds)(line.data(), line.size(), delimiter, most, ends);
}

}  // namespace sherd
#endif  // HWY_ONCE
