#pragma once

#include <cstddef>
#include <span>

#include "base/aligned_buffer.h"
#include "ps/row_layout.h"

namespace sherd {

// From the bytes of a row as one layout has them to another's of the same floats: weights and state are rounded to the
// nearest, usage is copied where both have it and never where only the new one does. Thread-compatible.
class RowConverter {
 public:
  RowConverter(RowLayout from, RowLayout to);

  const RowLayout& from() const { return from_; }
  const RowLayout& to() const { return to_; }
  // Are the bytes the same?
  bool same() const { return same_; }
  // [from().row_bytes()] to [to().row_bytes()].
  void Convert(const std::byte* row, std::byte* out);

 private:
  const RowLayout from_, to_;
  const bool same_;
  AlignedBuffer<float> floats_;
};

}  // namespace sherd
