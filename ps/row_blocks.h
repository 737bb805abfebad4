#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace sherd {

// The memory of a table's rows: large blocks, asked for in huge pages, so that a row never moves once it is made. Rows
// have positions 0, 1, 2 …. Thread-compatible.
class RowBlocks {
 public:
  explicit RowBlocks(std::uint32_t row_floats);

  float* Row(std::uint32_t position) const {
    return blocks_[position >> shift_].get() + std::size_t{position & mask_} * row_floats_;
  }
  // A new row of zeros; its position is the number of rows before it.
  std::uint32_t Add() {
    if (size_ == blocks_.size() << shift_) AddBlock();
    return size_++;
  }

  std::uint32_t size() const { return size_; }
  std::uint32_t row_floats() const { return row_floats_; }
  std::uint64_t bytes() const { return std::uint64_t{size_} * row_floats_ * sizeof(float); }

 private:
  struct Unmap {
    std::size_t bytes;
    void operator()(float* memory) const;
  };

  void AddBlock();

  const std::uint32_t row_floats_;
  const std::uint32_t shift_;  // log2 of the rows a block
  const std::uint32_t mask_;
  const std::size_t block_bytes_;
  std::vector<std::unique_ptr<float, Unmap>> blocks_;
  std::uint32_t size_ = 0;
};

}  // namespace sherd
