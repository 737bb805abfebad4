#include "worker/data/token_hasher.h"

#include <bit>
#include <cstring>

// The file includes itself once a SIMD target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/data/token_hasher.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#ifndef SHERD_DATA_TOKEN_HASHER_CONSTANTS_
#define SHERD_DATA_TOKEN_HASHER_CONSTANTS_
namespace sherd {
// XXH3 of 4 to 8 bytes (github.com/Cyan4973/xxHash): bytes 8..15 of its secret xor bytes 16..23, and its multiplier.
inline constexpr std::uint64_t kShortSecret = 0xc73ab174c5ecd5a2ull;
inline constexpr std::uint64_t kShortMultiplier = 0x9fb21c651e98df25ull;
}  // namespace sherd
#endif

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET <= HWY_AVX3

HWY_ATTR void HashShort(const ShortTokens& tokens, std::size_t n, Key* keys) {
  const hn::ScalableTag<std::uint64_t> d;
  const auto multiplier = hn::Set(d, kShortMultiplier);
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto length = hn::LoadU(d, tokens.lengths + i);
    auto hash = hn::Xor(hn::LoadU(d, tokens.words + i), hn::LoadU(d, tokens.flips + i));
    hash = hn::Xor(hash, hn::Xor(hn::RotateRight<64 - 49>(hash), hn::RotateRight<64 - 24>(hash)));
    hash = hn::Mul(hash, multiplier);
    hash = hn::Mul(hn::Xor(hash, hn::Add(hn::ShiftRight<35>(hash), length)), multiplier);
    hash = hn::Xor(hash, hn::ShiftRight<28>(hash));
    const auto missing = hn::Eq(length, hn::Zero(d));
    hn::StoreU(hn::IfThenElse(missing, hn::LoadU(d, tokens.empty_key + i), hash), d, keys + i);
  }
}

#else  // without a product of 64-bit lanes one after the other is faster

HWY_ATTR void HashShort(const ShortTokens& tokens, std::size_t n, Key* keys) {
  for (std::size_t i = 0; i < n; ++i) {
    std::uint64_t hash = tokens.words[i] ^ tokens.flips[i];
    hash ^= std::rotl(hash, 49) ^ std::rotl(hash, 24);
    hash *= kShortMultiplier;
    hash = (hash ^ ((hash >> 35) + tokens.lengths[i])) * kShortMultiplier;
    hash ^= hash >> 28;
    keys[i] = tokens.lengths[i] == 0 ? tokens.empty_key[i] : hash;
  }
}

#endif

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(HashShort);

namespace {

std::uint64_t Load4(const char* bytes) {
  std::uint32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

}  // namespace

void TokenHasher::AddField(int column, std::uint64_t field_hash) {
  const std::size_t i = columns_.size();
  columns_.push_back(column);
  const std::size_t room = (i / kSlack + 1) * kSlack;
  for (auto* array : {&field_hash_, &flips_, &empty_key_, &words_, &lengths_}) array->resize(room);
  field_hash_[i] = field_hash;
  const std::uint64_t swapped = __builtin_bswap32(static_cast<std::uint32_t>(field_hash));
  flips_[i] = kShortSecret - (field_hash ^ (swapped << 32));
  empty_key_[i] = TokenKey(field_hash, {});
}

void TokenHasher::Hash(std::span<const Value> values, Key* keys) {
  static constexpr char kNothing[4] = {};
  // Which tokens are missing cannot be foreseen: no branch hangs on it.
  const std::size_t n = columns_.size();
  bool others = false;
  for (std::size_t i = 0; i < n; ++i) {
    const std::string_view text = values[columns_[i]].text;
    const bool fits = text.size() - 4 <= 4;
    const char* const sources[2] = {kNothing, text.data()};
    const char* first = sources[fits];
    words_[i] = (Load4(first) << 32) + Load4(first + ((text.size() - 4) & (std::size_t{0} - fits)));
    lengths_[i] = text.size();
    others |= !fits & (text.size() != 0);
  }
  HWY_DYNAMIC_DISPATCH(HashShort)({words_.data(), lengths_.data(), flips_.data(), empty_key_.data()}, n, keys);
  if (!others) return;
  for (std::size_t i = 0; i < n; ++i) {
    if (lengths_[i] - 1 < 3 || lengths_[i] > 8) keys[i] = TokenKey(field_hash_[i], values[columns_[i]].text);
  }
}

}  // namespace sherd
#endif  // HWY_ONCE
