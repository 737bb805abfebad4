#include "worker/data/integer_fields.h"

#include "worker/data/number_text.h"

// The file includes itself once a SIMD target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/data/integer_fields.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#ifndef SHERD_DATA_INTEGER_FIELDS_CONSTANTS_
#define SHERD_DATA_INTEGER_FIELDS_CONSTANTS_
namespace sherd {
// Integers below have their key in a table: all of eight digits.
inline constexpr std::uint64_t kKeyedIntegers = 100'000'000;
inline constexpr std::uint64_t kKeyedBuckets = 342;  // those of such integers
inline constexpr std::uint64_t kKeysPerFeature = kKeyedBuckets + 1;

// What LogBucketKeys has, as a kernel takes it.
struct BucketTables {
  const std::uint64_t* cells;
  const std::uint64_t *fields, *begins;
  const Key* keys;
};
}  // namespace sherd
#endif

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET <= HWY_AVX3

// Numbers of eight digits, each in a byte of its own, the last digit in the top one.
template <class D, class V>
HWY_ATTR HWY_INLINE V NumbersOf(D d, V digits) {
  const hn::Repartition<std::uint16_t, D> d16;
  const hn::Repartition<std::uint32_t, D> d32;
  const auto ones = hn::BitCast(d16, digits);
  const auto pairs = hn::And(hn::Add(hn::Mul(ones, hn::Set(d16, 10)), hn::ShiftRight<8>(ones)), hn::Set(d16, 0xff));
  const auto hundreds = hn::BitCast(d32, hn::Mul(pairs, hn::Set(d16, 100)));
  const auto fours = hn::And(hn::Add(hundreds, hn::ShiftRight<16>(hn::BitCast(d32, pairs))), hn::Set(d32, 0xffff));
  return hn::Add(hn::MulEven(fours, hn::Set(d32, 10000)), hn::ShiftRight<32>(hn::BitCast(d, fours)));
}

HWY_ATTR std::uint32_t ReadDigits(const char* line, const std::uint32_t* before, const std::uint32_t* ends,
                                  std::int64_t* values) {
  const hn::ScalableTag<std::uint64_t> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<std::uint32_t, decltype(d)> d32;
  const auto eight = hn::Set(d, 8), nine = hn::Set(d, 9), zeros = hn::Set(d, 0x3030303030303030);
  const auto tops = hn::Set(d, 0x8080808080808080), above_nine = hn::Set(d, 0x7676767676767676);
  std::uint32_t unread = 0;
  for (int i = 0; i < IntegerFields::kMost; i += static_cast<int>(hn::Lanes(d))) {
    const auto begin = hn::Add(hn::PromoteTo(d, hn::LoadU(d32, before + i)), hn::Set(d, 1));
    const auto length = hn::Sub(hn::PromoteTo(d, hn::LoadU(d32, ends + i)), begin);
    const auto missing = hn::Eq(length, hn::Zero(d));
    const auto word = hn::GatherOffset(d, reinterpret_cast<const std::uint64_t*>(line), hn::BitCast(di, begin));
    const auto digits = hn::Shl(hn::Xor(word, zeros), hn::ShiftLeft<3>(hn::Sub(eight, length)));
    const auto wrong = hn::And(hn::Or(hn::Add(digits, above_nine), digits), tops);
    const auto read = hn::And(hn::Eq(wrong, hn::Zero(d)), hn::Lt(length, nine));
    const auto value = hn::BitCast(di, NumbersOf(d, digits));
    const auto none = hn::Set(di, IntegerFields::kMissing);
    hn::Store(hn::IfThenElse(hn::RebindMask(di, missing), none, value), di, values + i);
    std::uint8_t bits[8] = {};
    hn::StoreMaskBits(d, hn::Not(hn::Or(read, missing)), bits);
    unread |= std::uint32_t{bits[0]} << i;
  }
  return unread;
}

// Tells whether all keys were found: those of negative and very large integers are not set.
HWY_ATTR bool FindKeys(const std::int64_t* values, const BucketTables& tables, std::size_t n, Key* keys) {
  const hn::ScalableTag<std::uint64_t> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::RebindToFloat<decltype(d)> df;
  const auto limit = hn::Set(d, kKeyedIntegers);
  auto others = hn::FirstN(d, 0);
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto field = hn::BitCast(di, hn::LoadU(d, tables.fields + i));
    const auto signed_value = hn::GatherIndex(di, values, field);
    const auto missing = hn::RebindMask(d, hn::Eq(signed_value, hn::Set(di, IntegerFields::kMissing)));
    const auto keyed = hn::Lt(hn::BitCast(d, signed_value), limit);
    others = hn::Or(others, hn::Not(hn::Or(keyed, missing)));
    const auto value = hn::IfThenElseZero(keyed, hn::BitCast(d, signed_value));
    const auto bits = hn::BitCast(d, hn::ConvertTo(df, hn::BitCast(di, value)));
    const auto wide = hn::Sub(hn::ShiftRight<LogBuckets::kCellShift>(bits), hn::Set(d, LogBuckets::kCellBase));
    const auto is_small = hn::Lt(value, hn::Set(d, LogBuckets::kSmall));
    const auto cell = hn::GatherIndex(d, tables.cells, hn::BitCast(di, hn::IfThenElse(is_small, value, wide)));
    const auto first = hn::And(cell, hn::Set(d, (1 << LogBuckets::kBucketBits) - 1));
    const auto in_first = hn::Lt(value, hn::ShiftRight<LogBuckets::kBucketBits>(cell));
    const auto bucket = hn::IfThenElse(in_first, first, hn::Add(first, hn::Set(d, 1)));
    const auto place = hn::IfThenElse(missing, hn::Set(d, kKeyedBuckets), bucket);
    const auto index = hn::Add(place, hn::LoadU(d, tables.begins + i));
    hn::StoreU(hn::GatherIndex(d, tables.keys, hn::BitCast(di, index)), d, keys + i);
  }
  return hn::AllFalse(d, others);
}

#else

HWY_ATTR std::uint32_t ReadDigits(const char* line, const std::uint32_t* before, const std::uint32_t* ends,
                                  std::int64_t* values) {
  std::uint32_t unread = 0;
  for (int i = 0; i < IntegerFields::kMost; ++i) {
    const char* const begin = line + before[i] + 1;
    const std::size_t length = ends[i] - before[i] - 1;
    const bool read = length <= 8 && ParseDigits(begin, length, &values[i]);
    if (length == 0) values[i] = IntegerFields::kMissing;
    unread |= std::uint32_t{!read} << i;
  }
  return unread;
}

HWY_ATTR bool FindKeys(const std::int64_t* values, const BucketTables& tables, std::size_t n, Key* keys) {
  bool all = true;
  for (std::size_t i = 0; i < n; ++i) {
    const std::int64_t value = values[tables.fields[i]];
    const bool missing = value == IntegerFields::kMissing;
    const bool keyed = static_cast<std::uint64_t>(value) < kKeyedIntegers;
    all &= keyed || missing;
    const std::uint64_t bucket = LogBuckets::BucketOf(tables.cells, keyed ? static_cast<std::uint64_t>(value) : 0);
    keys[i] = tables.keys[tables.begins[i] + (missing ? kKeyedBuckets : bucket)];
  }
  return all;
}

#endif

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(ReadDigits);
HWY_EXPORT(FindKeys);

void ReadIntegers(const char* line, const std::uint32_t* ends, int column, int count, IntegerFields* fields) {
  const std::uint32_t unread = HWY_DYNAMIC_DISPATCH(ReadDigits)(line, ends + column - 1, ends + column, fields->values);
  fields->unread = unread & ((1u << count) - 1);
}

void LogBucketKeys::AddFeature(int field, std::uint64_t field_hash) {
  const std::size_t i = field_hash_.size();
  field_hash_.push_back(field_hash);
  fields_.resize((i / kSlack + 1) * kSlack);
  begins_.resize(fields_.size());
  fields_[i] = static_cast<std::uint64_t>(field);
  begins_[i] = i * kKeysPerFeature;
  for (std::uint64_t bucket = 0; bucket < kKeyedBuckets; ++bucket) keys_.push_back(IntegerKey(field_hash, bucket));
  keys_.push_back(IntegerKey(field_hash, kMissingBucket));
}

void LogBucketKeys::Find(const IntegerFields& fields, Key* keys) const {
  const BucketTables tables = {buckets_.cells(), fields_.data(), begins_.data(), keys_.data()};
  if (HWY_DYNAMIC_DISPATCH(FindKeys)(fields.values, tables, features(), keys)) return;
  for (std::size_t i = 0; i < features(); ++i) {
    const std::int64_t value = fields.values[fields_[i]];
    if (value == IntegerFields::kMissing || static_cast<std::uint64_t>(value) < kKeyedIntegers) continue;
    const std::int64_t bucket = LogBucket(static_cast<double>(value));
    keys[i] = IntegerKey(field_hash_[i], static_cast<std::uint64_t>(bucket));
  }
}

}  // namespace sherd
#endif  // HWY_ONCE
