#pragma once

#include <cstdint>

namespace sherd {

// base^exponent by squaring: the same bits on every machine, which pow does not promise.
constexpr double Power(double base, std::uint64_t exponent) {
  double result = 1;
  for (; exponent > 0; exponent >>= 1, base *= base) {
    if (exponent & 1) result *= base;
  }
  return result;
}

}  // namespace sherd
