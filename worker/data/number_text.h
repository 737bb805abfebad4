#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sherd {

// Numbers as texts of the input have them. False, and `value` undefined, when the text is anything but one number.

// Up to eight decimal digits, without sign; none are 0. Eight bytes can be read from `text` on; those behind `size` do
// not matter.
inline bool ParseDigits(const char* text, std::size_t size, std::int64_t* value) {
  std::uint64_t digits;
  std::memcpy(&digits, text, sizeof(digits));
  const int unused = static_cast<int>(64 - 8 * size) / 2;  // in two steps, since there may be all 64
  // The last digit is in the top byte.
  digits = (digits << unused << unused) - (0x3030303030303030ull << unused << unused);
  if (((digits + 0x7676767676767676ull) | digits) & 0x8080808080808080ull) return false;
  digits = digits * 10 + (digits >> 8);  // in every other byte a number of two digits, then of four and of eight
  const std::uint64_t low = (digits & 0xff000000ffull) * (100 + (1000000ull << 32));
  const std::uint64_t high = ((digits >> 16) & 0xff000000ffull) * (1 + (10000ull << 32));
  *value = static_cast<std::int64_t>((low + high) >> 32);
  return true;
}

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
