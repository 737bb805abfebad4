#include "base/byte_count.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <string_view>

namespace sherd {
namespace {

constexpr std::string_view kUnits = "KMGTPE";

// The power of 1024 that a unit stands for; -1: there is none of this name.
int PowerOf(std::string unit) {
  for (char& c : unit) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (unit.empty() || unit == "B") return 0;
  const std::size_t power = kUnits.find(unit[0]);
  const std::string rest = unit.substr(1);
  if (power == std::string_view::npos || !(rest.empty() || rest == "B" || rest == "IB")) return -1;
  return static_cast<int>(power) + 1;
}

}  // namespace

std::string BytesText(std::uint64_t bytes) {
  auto value = static_cast<double>(bytes);
  std::size_t power = 0;
  while (value >= 1023.95 && power < kUnits.size()) {
    value /= 1024;
    ++power;
  }
  char text[32];
  if (power == 0) return std::to_string(bytes) + " B";
  std::snprintf(text, sizeof text, "%.1f %ciB", value, power == 1 ? 'k' : kUnits[power - 1]);
  return text;
}

std::optional<std::uint64_t> ParseBytes(const std::string& text) {
  const std::size_t digits = text.find_first_not_of("0123456789.");
  const std::string number = text.substr(0, digits);
  const int power = PowerOf(digits == std::string::npos ? "" : text.substr(digits));
  if (power < 0 || number.empty()) return std::nullopt;
  const char* const end = number.data() + number.size();
  std::uint64_t whole = 0;
  if (const auto parsed = std::from_chars(number.data(), end, whole); parsed.ec == std::errc() && parsed.ptr == end) {
    const std::uint64_t bytes = power == 0 ? whole : whole << (10 * power);
    return bytes >> (10 * power) == whole ? std::optional(bytes) : std::nullopt;
  }
  double value = 0;
  const auto parsed = std::from_chars(number.data(), end, value);
  value = std::floor(std::ldexp(value, 10 * power));
  if (parsed.ec != std::errc() || parsed.ptr != end || power == 0 || !(value < 0x1p64)) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

}  // namespace sherd
