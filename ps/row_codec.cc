#include "ps/row_codec.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/hash.h"

namespace sherd {
namespace {

constexpr float kHalfMax = 65504;
constexpr float kHalfLeastNormal = 0x1p-14f;
constexpr std::uint32_t kMagnitude = 0x7fffffff;

template <typename T>
void Store(T value, std::byte* out) {
  std::memcpy(out, &value, sizeof(value));
}
template <typename T>
T Load(const std::byte* in) {
  T value;
  std::memcpy(&value, in, sizeof(value));
  return value;
}

// What is added to the bits that are cut off, before they are: their carry is the rounding. `random` has 16 bits.
std::uint32_t Carry(std::uint32_t bits, int cut, Rounding rounding, std::uint32_t random) {
  if (rounding.stochastic) return random >> (16 - cut);
  const std::uint32_t odd = bits >> cut & 1;
  return (1u << (cut - 1)) - 1 + odd;
}

std::uint16_t ToBf16(float value, Rounding rounding, std::uint32_t random) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if (!std::isfinite(value)) return static_cast<std::uint16_t>(bits >> 16 | (std::isnan(value) ? 1 : 0));
  return static_cast<std::uint16_t>((bits + Carry(bits, 16, rounding, random)) >> 16);
}

float FromBf16(std::uint16_t half) { return std::bit_cast<float>(std::uint32_t{half} << 16); }

// Beyond its range a half is the largest there is, not infinity: a weight has to stay a number.
std::uint16_t ToHalf(float value, Rounding rounding, std::uint32_t random) {
  if (std::isnan(value)) return 0x7e00;
  const std::uint32_t sign = std::bit_cast<std::uint32_t>(value) >> 16 & 0x8000;
  const float magnitude = std::min(std::abs(value), kHalfMax);
  if (magnitude < kHalfLeastNormal) {
    const float steps = magnitude * 0x1p24f;  // exact: below 1024
    const float below = std::floor(steps);
    const float rest = steps - below;
    const bool up = rounding.stochastic ? static_cast<float>(random) * 0x1p-16f < rest
                                        : rest > 0.5f || (rest == 0.5f && std::fmod(below, 2.0f) == 1.0f);
    return static_cast<std::uint16_t>(sign | (static_cast<std::uint32_t>(below) + (up ? 1 : 0)));
  }
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(magnitude);
  const std::uint32_t half = ((bits + Carry(bits, 13, rounding, random)) >> 13) - (112u << 10);
  return static_cast<std::uint16_t>(sign | std::min(half, 0x7bffu));
}

float FromHalf(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half & 0x8000u} << 16;
  const std::uint32_t magnitude = half & 0x7fffu;
  if (magnitude < 0x400) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * 0x1p-24f);
    return std::bit_cast<float>(bits | sign);
  }
  const std::uint32_t special = magnitude >= 0x7c00 ? 112u << 23 : 0;  // infinity and NaN
  return std::bit_cast<float>(((magnitude << 13) + (112u << 23) + special) | sign);
}

template <class Convert>
void EncodeHalves(std::span<const float> values, Rounding rounding, std::byte* out, const Convert& convert) {
  std::uint64_t random = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (rounding.stochastic) random = i % 4 == 0 ? Mix(rounding.noise, i / 4) : random >> 16;
    Store(convert(values[i], rounding, static_cast<std::uint32_t>(random & 0xffff)), out + 2 * i);
  }
}

void EncodeInt8(std::span<const float> values, std::byte* out) {
  float most = 0;
  for (const float value : values) most = std::max(most, std::abs(value));
  const float scale = most / 127;
  Store(scale, out);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float steps = scale > 0 ? std::clamp(std::nearbyint(values[i] / scale), -127.0f, 127.0f) : 0;
    Store(static_cast<std::int8_t>(steps), out + sizeof(scale) + i);
  }
}

}  // namespace

std::size_t EncodedBytes(Precision precision, std::size_t count) {
  switch (precision) {
    case proto::RowStorage::BF16:
    case proto::RowStorage::FP16:
      return 2 * count;
    case proto::RowStorage::INT8:
      return sizeof(float) + count;
    case proto::RowStorage::FP32:
      break;
  }
  return sizeof(float) * count;
}

void Encode(Precision precision, std::span<const float> values, Rounding rounding, std::byte* out) {
  switch (precision) {
    case proto::RowStorage::BF16:
      return EncodeHalves(values, rounding, out, ToBf16);
    case proto::RowStorage::FP16:
      return EncodeHalves(values, rounding, out, ToHalf);
    case proto::RowStorage::INT8:
      return EncodeInt8(values, out);
    case proto::RowStorage::FP32:
      break;
  }
  if (!values.empty()) std::memcpy(out, values.data(), values.size_bytes());
}

void Decode(Precision precision, const std::byte* in, std::span<float> values) {
  switch (precision) {
    case proto::RowStorage::BF16:
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = FromBf16(Load<std::uint16_t>(in + 2 * i));
      return;
    case proto::RowStorage::FP16:
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = FromHalf(Load<std::uint16_t>(in + 2 * i));
      return;
    case proto::RowStorage::INT8:
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(Load<std::int8_t>(in + sizeof(float) + i)) * Load<float>(in);
      }
      return;
    case proto::RowStorage::FP32:
      break;
  }
  if (!values.empty()) std::memcpy(values.data(), in, values.size_bytes());
}

}  // namespace sherd
