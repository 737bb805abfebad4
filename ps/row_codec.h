#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "proto/job.pb.h"

namespace sherd {

// Floats as they are kept in rows: FP32, BF16, FP16, or INT8 with a scale. All functions are pure.

using Precision = proto::RowStorage::Precision;

// How a float that falls between two numbers of 16 bits is rounded: to the nearer one (ties to even), or to either with
// the probability of how near it is, by bits that are a function of `noise` and the float's place.
struct Rounding {
  bool stochastic = false;
  std::uint64_t noise = 0;
};

// Bytes of `count` floats: INT8 has 4 more for its scale.
std::size_t EncodedBytes(Precision precision, std::size_t count);
// `out` and `in` have EncodedBytes(precision, n); no alignment is asked for.
void Encode(Precision precision, std::span<const float> values, Rounding rounding, std::byte* out);
void Decode(Precision precision, const std::byte* in, std::span<float> values);

}  // namespace sherd
