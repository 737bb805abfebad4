#include "ps/row_converter.h"

#include <cstdint>
#include <cstring>
#include <utility>

namespace sherd {
namespace {

bool SameBytes(const RowLayout& a, const RowLayout& b) {
  return a.storage().weights() == b.storage().weights() && a.storage().state() == b.storage().state() &&
         a.usage().clock == b.usage().clock && a.usage().second == b.usage().second &&
         a.usage().count == b.usage().count;
}

}  // namespace

RowConverter::RowConverter(RowLayout from, RowLayout to)
    : from_(std::move(from)), to_(std::move(to)), same_(SameBytes(from_, to_)), floats_(from_.row_floats()) {
  CHECK_EQ(from_.row_floats(), to_.row_floats()) << "rows of other floats";
}

void RowConverter::Convert(const std::byte* row, std::byte* out) {
  if (same_) {
    std::memcpy(out, row, to_.row_bytes());
    return;
  }
  std::memset(out, 0, to_.row_bytes());
  from_.DecodeRow(row, floats_.data());
  to_.EncodeRow(floats_.data(), {}, out);
  const auto copy = [&](std::uint32_t from, std::uint32_t to) {
    if (from != 0 && to != 0) std::memcpy(out + to, row + from, sizeof(std::uint32_t));
  };
  copy(from_.usage().clock, to_.usage().clock);
  copy(from_.usage().second, to_.usage().second);
  copy(from_.usage().count, to_.usage().count);
}

}  // namespace sherd
