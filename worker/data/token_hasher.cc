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

// Is a token of this length hashed by vectors? 0 is the missing one.
constexpr bool IsShort(std::uint64_t length) { return length - 4 <= 4 || length == 0; }
}  // namespace sherd
#endif

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Of each field's token `words` has the first four bytes above the last four, `lengths` 4 to 8, or 0.
#if HWY_TARGET <= HWY_AVX3

template <class D, class V>
HWY_ATTR HWY_INLINE V ShortKeys(D d, V words, V lengths, const ShortTokenFields& fields, std::size_t i) {
  const auto multiplier = hn::Set(d, kShortMultiplier);
  auto hash = hn::Xor(words, hn::LoadU(d, fields.flips + i));
  hash = hn::Xor(hash, hn::Xor(hn::RotateRight<64 - 49>(hash), hn::RotateRight<64 - 24>(hash)));
  hash = hn::Mul(hash, multiplier);
  hash = hn::Mul(hn::Xor(hash, hn::Add(hn::ShiftRight<35>(hash), lengths)), multiplier);
  hash = hn::Xor(hash, hn::ShiftRight<28>(hash));
  return hn::IfThenElse(hn::Eq(lengths, hn::Zero(d)), hn::LoadU(d, fields.empty_key + i), hash);
}

HWY_ATTR void HashShort(const std::uint64_t* words, const std::uint64_t* lengths, const ShortTokenFields& fields,
                        std::size_t n, Key* keys) {
  const hn::ScalableTag<std::uint64_t> d;
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    hn::StoreU(ShortKeys(d, hn::LoadU(d, words + i), hn::LoadU(d, lengths + i), fields, i), d, keys + i);
  }
}

// Tells whether all tokens were short; the keys of others are not set. Each is read as the eight bytes before its end:
// those of the line's first columns, or the fields before it, do not matter.
HWY_ATTR bool HashShortFields(const char* line, const std::uint32_t* before, const std::uint32_t* ends,
                              const ShortTokenFields& fields, std::size_t n, Key* keys) {
  const hn::ScalableTag<std::uint64_t> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<std::uint32_t, decltype(d)> d32;
  const auto four = hn::Set(d, 4), five = hn::Set(d, 5), eight = hn::Set(d, 8);
  auto others = hn::FirstN(d, 0);
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto used = hn::FirstN(d, n - i);
    const auto end = hn::IfThenElse(used, hn::PromoteTo(d, hn::LoadU(d32, ends + i)), eight);
    const auto begin = hn::Add(hn::PromoteTo(d, hn::LoadU(d32, before + i)), hn::Set(d, 1));
    const auto length = hn::IfThenElseZero(used, hn::Sub(end, begin));
    const auto word =
        hn::GatherOffset(d, reinterpret_cast<const std::uint64_t*>(line), hn::BitCast(di, hn::Sub(end, eight)));
    const auto unused_bits = hn::ShiftLeft<3>(hn::Sub(eight, length));
    const auto first_four = hn::ShiftLeft<32>(hn::Shr(word, unused_bits));
    const auto key = ShortKeys(d, hn::Or(first_four, hn::ShiftRight<32>(word)), length, fields, i);
    const auto short_ones = hn::Or(hn::Lt(hn::Sub(length, four), five), hn::Eq(length, hn::Zero(d)));
    others = hn::Or(others, hn::Not(short_ones));
    hn::StoreU(key, d, keys + i);
  }
  return hn::AllFalse(d, others);
}

#else  // without a product of 64-bit lanes one after the other is faster

HWY_ATTR HWY_INLINE Key ShortKey(std::uint64_t word, std::uint64_t length, const ShortTokenFields& fields,
                                 std::size_t i) {
  std::uint64_t hash = word ^ fields.flips[i];
  hash ^= std::rotl(hash, 49) ^ std::rotl(hash, 24);
  hash *= kShortMultiplier;
  hash = (hash ^ ((hash >> 35) + length)) * kShortMultiplier;
  hash ^= hash >> 28;
  return length == 0 ? fields.empty_key[i] : hash;
}

HWY_ATTR void HashShort(const std::uint64_t* words, const std::uint64_t* lengths, const ShortTokenFields& fields,
                        std::size_t n, Key* keys) {
  for (std::size_t i = 0; i < n; ++i) keys[i] = ShortKey(words[i], lengths[i], fields, i);
}

HWY_ATTR bool HashShortFields(const char* line, const std::uint32_t* before, const std::uint32_t* ends,
                              const ShortTokenFields& fields, std::size_t n, Key* keys) {
  bool all = true;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t length = ends[i] - before[i] - 1;
    std::uint64_t word;
    std::memcpy(&word, line + ends[i] - sizeof(word), sizeof(word));
    all &= IsShort(length);
    keys[i] = ShortKey(((word >> (8 * (8 - length) & 63)) << 32) | word >> 32, length, fields, i);
  }
  return all;
}

#endif

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(HashShort);
HWY_EXPORT(HashShortFields);

namespace {

std::uint64_t Load4(const char* bytes) {
  std::uint32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

}  // namespace

void TokenHasher::AddField(int column, std::uint64_t field_hash) {
  const std::size_t i = columns_.size();
  consecutive_ &= i == 0 || column == columns_.back() + 1;
  columns_.push_back(column);
  const std::size_t room = (i / kSlack + 1) * kSlack;
  for (auto* array : {&field_hash_, &flips_, &empty_key_, &words_, &lengths_}) array->resize(room);
  for (auto* array : {&before_, &ends_}) array->resize(room);
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
  HWY_DYNAMIC_DISPATCH(HashShort)(words_.data(), lengths_.data(), {flips_.data(), empty_key_.data()}, n, keys);
  if (!others) return;
  for (std::size_t i = 0; i < n; ++i) {
    if (!IsShort(lengths_[i])) keys[i] = TokenKey(field_hash_[i], values[columns_[i]].text);
  }
}

std::string_view TokenHasher::Token(const char* line, const std::uint32_t* ends, std::size_t field) const {
  const std::uint32_t begin = ends[columns_[field] - 1] + 1;
  return {line + begin, ends[columns_[field]] - begin};
}

void TokenHasher::HashFields(const char* line, const std::uint32_t* ends, Key* keys) {
  const std::size_t n = columns_.size();
  const std::uint32_t *before = ends + columns_[0] - 1, *own = ends + columns_[0];
  if (!consecutive_) {
    for (std::size_t i = 0; i < n; ++i) {
      before_[i] = ends[columns_[i] - 1];
      ends_[i] = ends[columns_[i]];
    }
    before = before_.data();
    own = ends_.data();
  }
  if (HWY_DYNAMIC_DISPATCH(HashShortFields)(line, before, own, {flips_.data(), empty_key_.data()}, n, keys)) return;
  for (std::size_t i = 0; i < n; ++i) {
    const std::string_view token = Token(line, ends, i);
    if (!IsShort(token.size())) keys[i] = TokenKey(field_hash_[i], token);
  }
}

}  // namespace sherd
#endif  // HWY_ONCE
