#include "worker/data/stream_encoder.h"

#include <glog/logging.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/hash.h"
#include "worker/data/bit_packing.h"

namespace sherd {
namespace {

// A stream is compressed when that saves this share of it: reading it costs as much as all else there is to reading.
constexpr double kLeastSaving = 0.25;
constexpr double kLargestInteger = 0x1p53;

template <typename T>
void AppendValue(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Bits of each distinct number when all are whole (base: the smallest), else 64.
int IntegerBits(std::span<const double> values, const std::vector<std::uint32_t>& firsts, std::int64_t* base) {
  double smallest = kLargestInteger, largest = -kLargestInteger;
  for (const std::uint32_t i : firsts) {
    const double value = values[i];
    if (std::isnan(value)) continue;
    if (!(std::abs(value) <= kLargestInteger) || std::trunc(value) != value || (value == 0 && std::signbit(value))) {
      return 64;
    }
    smallest = std::min(smallest, value);
    largest = std::max(largest, value);
  }
  if (smallest > largest) smallest = largest = 0;
  *base = static_cast<std::int64_t>(smallest);
  return BitsOf(1 + static_cast<std::uint64_t>(static_cast<std::int64_t>(largest) - *base));
}

bool IsFloat(double value) { return std::isnan(value) || static_cast<double>(static_cast<float>(value)) == value; }

}  // namespace

StreamEncoder::StreamEncoder(int zstd_level) : zstd_level_(zstd_level), zstd_(ZSTD_createCCtx()) {
  CHECK(zstd_ != nullptr);
}
StreamEncoder::~StreamEncoder() { ZSTD_freeCCtx(zstd_); }

template <typename Hash, typename Equal>
void StreamEncoder::FindDistinct(std::size_t count, const Hash& hash, const Equal& equal) {
  table_.assign(std::bit_ceil(2 * count + 1), 0);
  const std::size_t mask = table_.size() - 1;
  ids_.resize(count);
  firsts_.clear();
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t at = hash(i) & mask;
    while (table_[at] != 0 && !equal(firsts_[table_[at] - 1], i)) at = (at + 1) & mask;
    if (table_[at] == 0) {
      firsts_.push_back(static_cast<std::uint32_t>(i));
      table_[at] = static_cast<std::uint32_t>(firsts_.size());
    }
    ids_[i] = table_[at] - 1;
  }
}

void StreamEncoder::KeepAll(std::size_t count) {
  firsts_.resize(count);
  std::iota(firsts_.begin(), firsts_.end(), 0);
}

int StreamEncoder::IdBits() const { return BitsOf(firsts_.empty() ? 0 : firsts_.size() - 1); }

void StreamEncoder::AddIds(std::size_t count, StreamHeader* header) {
  header->values = static_cast<std::uint32_t>(count);
  header->entries = static_cast<std::uint32_t>(firsts_.size());
  if (firsts_.size() == count) return;
  header->id_bits = static_cast<std::uint8_t>(IdBits());
  AppendPacked(
      count, header->id_bits, [&](std::size_t i) { return ids_[i]; }, &payload_);
}

StreamHeader StreamEncoder::AddNumbers(std::span<const double> values, std::string* out) {
  const auto bits = [&](std::size_t i) { return std::bit_cast<std::uint64_t>(values[i]); };
  FindDistinct(
      values.size(), [&](std::size_t i) { return Mix(bits(i)); },
      [&](std::size_t a, std::size_t b) { return bits(a) == bits(b); });
  StreamHeader header = {};
  std::int64_t base = 0;
  int entry_bits = IntegerBits(values, firsts_, &base);
  header.kind = Entries::kIntegers;
  if (entry_bits > kMaxPackedBits) {
    const bool floats = std::all_of(firsts_.begin(), firsts_.end(), [&](auto i) { return IsFloat(values[i]); });
    header.kind = floats ? Entries::kFloats : Entries::kDoubles;
    entry_bits = floats ? 32 : 64;
  }
  header.entry_bits = static_cast<std::uint8_t>(entry_bits);
  const std::uint64_t all = PackedBytes(values.size(), entry_bits);
  if (PackedBytes(firsts_.size(), entry_bits) + PackedBytes(values.size(), IdBits()) >= all) KeepAll(values.size());
  payload_.clear();
  if (header.kind == Entries::kIntegers) {
    AppendValue(base, &payload_);
    AppendPacked(
        firsts_.size(), entry_bits,
        [&](std::size_t i) {
          const double value = values[firsts_[i]];
          return std::isnan(value) ? 0 : 1 + static_cast<std::uint64_t>(static_cast<std::int64_t>(value) - base);
        },
        &payload_);
  } else {
    for (const std::uint32_t i : firsts_) {
      if (header.kind == Entries::kFloats) {
        AppendValue(static_cast<float>(values[i]), &payload_);
      } else {
        AppendValue(values[i], &payload_);
      }
    }
  }
  AddIds(values.size(), &header);
  return Store(header, out);
}

StreamHeader StreamEncoder::AddKeys(std::span<const std::uint64_t> values, std::string* out) {
  FindDistinct(
      values.size(), [&](std::size_t i) { return Mix(values[i]); },
      [&](std::size_t a, std::size_t b) { return values[a] == values[b]; });
  StreamHeader header = {};
  header.kind = Entries::kKeys;
  header.entry_bits = 64;
  if (8 * firsts_.size() + PackedBytes(values.size(), IdBits()) >= 8 * values.size()) KeepAll(values.size());
  payload_.clear();
  for (const std::uint32_t i : firsts_) AppendValue(values[i], &payload_);
  AddIds(values.size(), &header);
  return Store(header, out);
}

StreamHeader StreamEncoder::AddTexts(const Texts& values, std::string* out) {
  const std::size_t count = values.ends.size();
  FindDistinct(
      count, [&](std::size_t i) { return HashBytes(values[i]); },
      [&](std::size_t a, std::size_t b) { return values[a] == values[b]; });
  StreamHeader header = {};
  header.kind = Entries::kTokens;
  std::size_t longest = 0, bytes = 0;
  for (const std::uint32_t i : firsts_) {
    longest = std::max(longest, values[i].size());
    bytes += values[i].size();
  }
  header.entry_bits = static_cast<std::uint8_t>(BitsOf(longest));
  const std::uint64_t by_id = bytes + PackedBytes(firsts_.size(), header.entry_bits) + PackedBytes(count, IdBits());
  if (by_id >= values.bytes.size() + PackedBytes(count, header.entry_bits)) KeepAll(count);
  payload_.clear();
  AppendPacked(
      firsts_.size(), header.entry_bits, [&](std::size_t i) { return values[firsts_[i]].size(); }, &payload_);
  for (const std::uint32_t i : firsts_) payload_ += values[i];
  AddIds(count, &header);
  return Store(header, out);
}

StreamHeader StreamEncoder::Store(StreamHeader header, std::string* out) {
  CHECK_LE(payload_.size(), kMaxStreamBytes);
  header.payload_bytes = header.stored_bytes = static_cast<std::uint32_t>(payload_.size());
  const std::size_t begin = out->size();
  const std::size_t room = static_cast<std::size_t>(static_cast<double>(payload_.size()) * (1 - kLeastSaving));
  out->resize(begin + ZSTD_compressBound(payload_.size()));
  const std::size_t packed =
      ZSTD_compressCCtx(zstd_, out->data() + begin, out->size() - begin, payload_.data(), payload_.size(), zstd_level_);
  CHECK(!ZSTD_isError(packed)) << ZSTD_getErrorName(packed);
  if (packed <= room) header.stored_bytes = static_cast<std::uint32_t>(packed);
  out->resize(begin + header.stored_bytes);
  if (packed > room) std::memcpy(out->data() + begin, payload_.data(), payload_.size());
  header.crc = Crc32c(std::as_bytes(std::span(*out).subspan(begin)));
  return header;
}

}  // namespace sherd
