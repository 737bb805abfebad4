#include "net/value_codec.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/hash.h"

namespace sherd {
namespace {

using Noise = std::optional<std::uint64_t>;

constexpr float kLeastScale = 0x1p-100f;  // groups below it are zeros
constexpr float kMost = 127;

template <typename T>
T Load(const std::byte* in) {
  T value;
  std::memcpy(&value, in, sizeof(value));
  return value;
}
template <typename T>
void Store(T value, std::byte* out) {
  std::memcpy(out, &value, sizeof(value));
}

float FromBf16(std::uint16_t half) { return std::bit_cast<float>(std::uint32_t{half} << 16); }

// 16 random bits a float, from one hash for four.
class Lanes {
 public:
  explicit Lanes(std::uint64_t noise) : noise_(noise) {}
  std::uint32_t Next() {
    bits_ = lane_ % 4 == 0 ? Mix(noise_, lane_ / 4) : bits_ >> 16;
    ++lane_;
    return static_cast<std::uint32_t>(bits_ & 0xffff);
  }

 private:
  const std::uint64_t noise_;
  std::uint64_t lane_ = 0, bits_ = 0;
};

// ---- BF16 ----------------------------------------------------------------------------------------------------------

// `carry` is added to the bits that are cut off.
std::uint16_t ToBf16(float value, std::uint32_t carry) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7f800000) == 0x7f800000) return static_cast<std::uint16_t>(bits >> 16 | (bits << 9 != 0 ? 0x40 : 0));
  return static_cast<std::uint16_t>((bits + carry) >> 16);
}

std::uint32_t ToNearest(float value) { return 0x7fff + (std::bit_cast<std::uint32_t>(value) >> 16 & 1); }

void EncodeBf16(std::span<const float> values, Lanes* lanes, std::byte* out) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    Store(ToBf16(values[i], lanes == nullptr ? ToNearest(values[i]) : lanes->Next()), out + 2 * i);
  }
}

void DecodeBf16(const std::byte* in, std::span<float> values) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = FromBf16(Load<std::uint16_t>(in + 2 * i));
}

// ---- INT8 ----------------------------------------------------------------------------------------------------------

// The scale goes up to the next BF16, so that no value is beyond 127 of it.
void EncodeInt8(std::span<const float> values, Lanes* lanes, std::byte* out) {
  float most = 0;
  bool finite = true;
  for (const float value : values) {
    most = std::max(most, std::abs(value));
    finite &= std::isfinite(value);
  }
  std::uint16_t scale = ToBf16(most / kMost, 0xffff);
  if (!finite) scale = 0x7fc0;
  if (finite && FromBf16(scale) < kLeastScale) scale = 0;
  Store(scale, out);
  out += sizeof(scale);
  if (!finite || scale == 0) {
    std::memset(out, 0, values.size());
    return;
  }
  const float steps = 1 / FromBf16(scale);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float up = lanes == nullptr ? 0.5f : static_cast<float>(lanes->Next()) * 0x1p-16f;
    const float whole = std::floor(values[i] * steps + up);
    Store(static_cast<std::int8_t>(std::clamp(whole, -kMost, kMost)), out + i);
  }
}

void DecodeInt8(const std::byte* in, std::span<float> values) {
  const float scale = FromBf16(Load<std::uint16_t>(in));
  in += sizeof(std::uint16_t);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(Load<std::int8_t>(in + i)) * scale;
}

std::size_t GroupBytes(proto::Encoding encoding, std::size_t floats) {
  switch (encoding) {
    case proto::FP32:
      return sizeof(float) * floats;
    case proto::BF16:
      return sizeof(std::uint16_t) * floats;
    case proto::INT8:
      return sizeof(std::uint16_t) + floats;
  }
  return 0;
}

}  // namespace

ValueCodec::ValueCodec(std::vector<Group> groups) : groups_(std::move(groups)) {
  for (const Group& group : groups_) {
    floats_ += group.floats;
    for (const proto::Encoding encoding : {proto::FP32, proto::BF16, proto::INT8}) {
      bytes_[encoding] += GroupBytes(group.exact ? proto::FP32 : encoding, group.floats);
    }
  }
}

ValueCodec ValueCodec::OfRow(const proto::TableSpec& table) {
  std::vector<Group> groups;
  for (const proto::SegmentSpec& segment : table.segment()) groups.push_back({segment.dim(), false});
  return ValueCodec(std::move(groups));
}

ValueCodec ValueCodec::OfBlocks(const proto::ModelSpec& model, std::span<const DenseBlock> blocks) {
  std::vector<Group> groups;
  for (const DenseBlock& block : blocks) {
    const bool exact = model.tensor(static_cast<int>(block.tensor)).rows() == 1;
    for (std::uint32_t first = 0; first < block.length; first += kDenseGroup) {
      groups.push_back({std::min(kDenseGroup, block.length - first), exact});
    }
  }
  return ValueCodec(std::move(groups));
}

void ValueCodec::Encode(proto::Encoding encoding, const float* values, Noise noise, std::byte* out) const {
  if (encoding == proto::FP32) {
    std::memcpy(out, values, bytes(encoding));
    return;
  }
  Lanes random(noise.value_or(0));
  Lanes* const lanes = noise.has_value() ? &random : nullptr;
  for (const Group& group : groups_) {
    const std::span from(values, group.floats);
    if (group.exact) {
      std::memcpy(out, values, from.size_bytes());
    } else if (encoding == proto::BF16) {
      EncodeBf16(from, lanes, out);
    } else {
      EncodeInt8(from, lanes, out);
    }
    values += group.floats;
    out += GroupBytes(group.exact ? proto::FP32 : encoding, group.floats);
  }
}

void ValueCodec::Decode(proto::Encoding encoding, const std::byte* in, float* values) const {
  if (encoding == proto::FP32) {
    std::memcpy(values, in, bytes(encoding));
    return;
  }
  for (const Group& group : groups_) {
    const std::span to(values, group.floats);
    if (group.exact) {
      std::memcpy(values, in, to.size_bytes());
    } else if (encoding == proto::BF16) {
      DecodeBf16(in, to);
    } else {
      DecodeInt8(in, to);
    }
    values += group.floats;
    in += GroupBytes(group.exact ? proto::FP32 : encoding, group.floats);
  }
}

}  // namespace sherd
