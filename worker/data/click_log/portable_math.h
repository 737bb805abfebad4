#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace sherd {

// Functions that give the same bits on every machine: IEEE double arithmetic in a fixed order, without libm. Written
// for loops that the compiler makes vectors of: no branches, no conversions that lack an instruction.

constexpr std::uint64_t kMantissaOfOne = 0x4330000000000000;  // the bits of 2^52, whose last one counts units

// An integer below 2^52 as a double, and back.
inline double ToDouble(std::uint64_t n) { return std::bit_cast<double>(n | kMantissaOfOne) - 0x1p52; }
inline std::uint64_t ToInteger(double x) { return std::bit_cast<std::uint64_t>(x + 0x1p52) & 0xfffffffffffff; }

// The integer part of 0 <= x < 2^51.
inline double WholePart(double x) {
  const double nearest = x + 0x1p52 - 0x1p52;
  return nearest > x ? nearest - 1 : nearest;
}

// log2 of a positive, normal x to about 1e-10: by the series of artanh((m - 1) / (m + 1)), m in [sqrt(1/2), sqrt(2)).
inline double PortableLog2(double x) {
  constexpr std::int64_t kRootOfHalf = 0x3fe6a09e667f3bcd;
  const auto bits = std::bit_cast<std::int64_t>(x);
  const std::int64_t power = (bits - kRootOfHalf) >> 52;
  const double m = std::bit_cast<double>(bits - (power << 52));
  const double s = (m - 1) / (m + 1), square = s * s;
  double sum = 1.0 / 15;
  for (const double odd : {13, 11, 9, 7, 5, 3}) sum = sum * square + 1 / odd;
  sum = sum * square + 1;
  constexpr double kTwoOverLn2 = 2.8853900817779268;
  return static_cast<double>(power) + s * sum * kTwoOverLn2;
}

// 2^x, x cut to [-1000, 1000], to about 1e-10: by the series of exp on what is left of the nearest integer.
inline double PortableExp2(double x) {
  constexpr double kRound = 0x1.8p52;
  constexpr double kLn2 = 0.69314718055994531;
  x = std::max(std::min(x, 1000.0), -1000.0);
  const double shifted = x + kRound;
  const std::int64_t power = std::bit_cast<std::int64_t>(shifted) - std::bit_cast<std::int64_t>(kRound);
  const double rest = (x - (shifted - kRound)) * kLn2;
  double sum = 1.0 / 39916800;  // 1 / 11!
  for (const double factorial : {3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2, 1, 1}) {
    sum = sum * rest + 1 / factorial;
  }
  return sum * std::bit_cast<double>((power + 1023) << 52);
}

inline double PortableSigmoid(double logit) {
  constexpr double kLog2OfE = 1.4426950408889634;
  return 1 / (1 + PortableExp2(-kLog2OfE * logit));
}

// The natural logarithm, as accurate as PortableLog2.
inline double PortableLog(double x) { return PortableLog2(x) * 0.69314718055994531; }

}  // namespace sherd
