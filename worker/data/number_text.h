#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace sherd {

// Numbers as texts of the input have them. False, and `value` undefined, when the text is anything but one number.

// 64 bits, optional sign.
inline bool ParseInteger(std::string_view text, std::int64_t* value) {
  const char* begin = text.data();
  const char* const end = begin + text.size();
  const bool negative = begin != end && *begin == '-';
  const char* digits = begin + (begin != end && (*begin == '-' || *begin == '+'));
  const std::ptrdiff_t length = end - digits;
  if (length > 0 && length <= 18) {  // cannot overflow
    std::int64_t sum = 0;
    for (; digits != end; ++digits) {
      const unsigned digit = static_cast<unsigned char>(*digits) - unsigned{'0'};
      if (digit > 9) return false;
      sum = sum * 10 + digit;
    }
    *value = negative ? -sum : sum;
    return true;
  }
  if (length <= 0 || *digits == '-') return false;
  const auto [rest, error] = std::from_chars(negative ? begin : digits, end, *value);
  return error == std::errc() && rest == end;
}

// Finite; decimal, with or without exponent and sign.
inline bool ParseFloat(std::string_view text, double* value) {
  std::int64_t integer;
  if (text.size() <= 15 && ParseInteger(text, &integer)) {  // exact, and by far the most frequent
    *value = static_cast<double>(integer);
    return true;
  }
  const char* begin = text.data();
  const char* const end = begin + text.size();
  if (begin != end && *begin == '+' && end - begin > 1 && begin[1] != '-') ++begin;
  const auto [rest, error] = std::from_chars(begin, end, *value);
  return error == std::errc() && rest == end && std::isfinite(*value);
}

// A key written out as an unsigned integer.
inline bool ParseKey(std::string_view text, std::uint64_t* value) {
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && rest == text.data() + text.size();
}

}  // namespace sherd
