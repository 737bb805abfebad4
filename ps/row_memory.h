#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ps/growing_memory.h"

namespace sherd {

// The memory of a table's resident rows, side by side and numbered 0, 1, 2 …. A row keeps its number until it is freed;
// freed ones are used again, the last first. Thread-compatible.
class RowMemory {
 public:
  explicit RowMemory(std::uint32_t row_bytes) : row_bytes_(row_bytes) {}

  // Valid until the next Take.
  std::byte* Row(std::uint32_t number) const { return memory_.data() + std::size_t{number} * row_bytes_; }
  // A row whose bytes are of no account.
  std::uint32_t Take();
  void Free(std::uint32_t number) { free_.push_back(number); }

  std::uint32_t row_bytes() const { return row_bytes_; }
  std::uint64_t free_rows() const { return free_.size(); }
  // What has been asked of the system; `more` rows from now.
  std::uint64_t bytes() const { return std::uint64_t{used_} * row_bytes_; }
  std::uint64_t BytesAfter(std::uint64_t more) const {
    return bytes() + (more > free_.size() ? (more - free_.size()) * row_bytes_ : 0);
  }

 private:
  const std::uint32_t row_bytes_;
  GrowingMemory memory_;
  std::vector<std::uint32_t> free_;
  std::uint32_t used_ = 0;  // rows that have ever been taken
};

inline std::uint32_t RowMemory::Take() {
  if (!free_.empty()) {
    const std::uint32_t number = free_.back();
    free_.pop_back();
    return number;
  }
  memory_.Grow((std::size_t{used_} + 1) * row_bytes_);
  return used_++;
}

}  // namespace sherd
