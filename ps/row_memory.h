#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "ps/growing_memory.h"

namespace sherd {

// The memory of a table's resident rows, numbered 0, 1, 2 …. A row keeps its number until it is freed; freed ones are
// used again, the last first.
//
// It lies in blocks of kBlockRows rows: the weights of all of them, then the rest of each. So weights of 64 bytes, or
// of any multiple or unit fraction of that, straddle no cache line more than they must, and a pull touches nothing
// else. Thread-compatible.
class RowMemory {
 public:
  // Of each row; multiples of four.
  RowMemory(std::uint32_t weight_bytes, std::uint32_t rest_bytes)
      : weight_bytes_(weight_bytes), rest_bytes_(rest_bytes) {}

  // Where rows are, valid until the next Take: to be held by value in a loop over many.
  class View {
   public:
    std::byte* Weights(std::uint32_t number) const {
      return Block(number) + std::size_t{number % kBlockRows} * weight_bytes_;
    }
    std::byte* Rest(std::uint32_t number) const {
      return Block(number) + kBlockRows * weight_bytes_ + std::size_t{number % kBlockRows} * rest_bytes_;
    }

   private:
    friend RowMemory;
    View(std::byte* data, std::uint32_t weight_bytes, std::uint32_t rest_bytes)
        : data_(data),
          weight_bytes_(weight_bytes),
          rest_bytes_(rest_bytes),
          block_bytes_(kBlockRows * (weight_bytes + rest_bytes)) {}

    std::byte* Block(std::uint32_t number) const { return data_ + std::size_t{number / kBlockRows} * block_bytes_; }

    std::byte* data_;
    std::uint32_t weight_bytes_, rest_bytes_, block_bytes_;
  };
  View view() const { return View(memory_.data(), weight_bytes_, rest_bytes_); }
  std::byte* Weights(std::uint32_t number) const { return view().Weights(number); }
  std::byte* Rest(std::uint32_t number) const { return view().Rest(number); }
  // A whole row, weights first, to and from one run of bytes.
  void Read(std::uint32_t number, std::byte* row) const {
    std::memcpy(row, Weights(number), weight_bytes_);
    std::memcpy(row + weight_bytes_, Rest(number), rest_bytes_);
  }
  void Write(const std::byte* row, std::uint32_t number) const {
    std::memcpy(Weights(number), row, weight_bytes_);
    std::memcpy(Rest(number), row + weight_bytes_, rest_bytes_);
  }

  // A row whose bytes are of no account.
  std::uint32_t Take();
  void Free(std::uint32_t number) { free_.push_back(number); }
  // So many will be taken: their memory is asked for meanwhile.
  void Expect(std::uint64_t rows) { memory_.Expect((rows / kBlockRows + 1) * kBlockRows * row_bytes()); }

  std::uint32_t row_bytes() const { return weight_bytes_ + rest_bytes_; }
  std::uint32_t rows() const { return used_; }  // that have ever been taken
  std::uint64_t free_rows() const { return free_.size(); }
  // What has been asked of the system; `more` rows from now.
  std::uint64_t bytes() const { return std::uint64_t{used_} * row_bytes(); }
  std::uint64_t BytesAfter(std::uint64_t more) const {
    return bytes() + (more > free_.size() ? (more - free_.size()) * row_bytes() : 0);
  }

 private:
  static constexpr std::uint32_t kBlockRows = 16;

  const std::uint32_t weight_bytes_, rest_bytes_;
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
  if (used_ % kBlockRows == 0) memory_.Grow((std::size_t{used_ / kBlockRows} + 1) * kBlockRows * row_bytes());
  return used_++;
}

}  // namespace sherd
