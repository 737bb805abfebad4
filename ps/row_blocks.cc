#include "ps/row_blocks.h"

#include <glog/logging.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>

namespace sherd {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kMostBytes = 16 * kHugePage;  // of a block, unless a row alone is longer

std::uint32_t ShiftOf(std::uint32_t row_floats) {
  const std::size_t rows = kMostBytes / (row_floats * sizeof(float));
  return static_cast<std::uint32_t>(std::bit_width(std::max<std::size_t>(1, rows)) - 1);
}

}  // namespace

RowBlocks::RowBlocks(std::uint32_t row_floats)
    : row_floats_(row_floats),
      shift_(ShiftOf(row_floats)),
      mask_((1u << shift_) - 1),
      block_bytes_(((std::size_t{row_floats} * sizeof(float) << shift_) + kHugePage - 1) / kHugePage * kHugePage) {}

void RowBlocks::Unmap::operator()(float* memory) const { munmap(memory, bytes); }

// Maps a huge page more than it needs and gives back what is not aligned. A table's first block is left to ordinary
// pages: many tables are small.
void RowBlocks::AddBlock() {
  const std::size_t mapped = block_bytes_ + kHugePage;
  void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  PCHECK(memory != MAP_FAILED) << "no memory for rows: " << block_bytes_ << " bytes after " << bytes();
  const std::uintptr_t begin = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t aligned = (begin + kHugePage - 1) / kHugePage * kHugePage;
  if (aligned > begin) munmap(memory, aligned - begin);
  const std::uintptr_t end = aligned + block_bytes_;
  if (begin + mapped > end) munmap(reinterpret_cast<void*>(end), begin + mapped - end);
  const std::size_t small = blocks_.empty() ? kHugePage : 0;
  madvise(reinterpret_cast<void*>(aligned + small), block_bytes_ - small, MADV_HUGEPAGE);
  blocks_.emplace_back(reinterpret_cast<float*>(aligned), Unmap{block_bytes_});
}

}  // namespace sherd
