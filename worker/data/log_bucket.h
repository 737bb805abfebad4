#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace sherd {

// The bucket of a feature without quantiles or edges: x <= 2 ? floor(x) : 2 + floor(log(x)^2).
std::int64_t LogBucket(double x);

// The same of integers without a logarithm. A double's exponent and first six bits of mantissa name a cell, which is
// so narrow that at most one bucket ends in it; for each cell the tables tell its first bucket and where that ends.
// Immutable.
class LogBuckets {
 public:
  // Shared: it takes a millisecond to make.
  static const LogBuckets& Shared();

  std::int64_t Of(double x) const {
    if (!(x >= 0 && x < kLimit)) return LogBucket(x);
    const auto integer = static_cast<std::int64_t>(x);
    if (static_cast<double>(integer) != x) return LogBucket(x);
    if (integer < kSmall) return small_[integer];
    const Cell& cell = cells_[(std::bit_cast<std::uint64_t>(x) >> kCellShift) - kFirstCell];
    return cell.bucket + (x >= cell.end);
  }

 private:
  static constexpr std::int64_t kSmall = 1024;
  static constexpr double kLimit = 0x1p40;
  static constexpr int kCellShift = 52 - 6;
  static constexpr std::uint64_t kFirstCell = std::bit_cast<std::uint64_t>(double{kSmall}) >> kCellShift;
  static constexpr std::uint64_t kCells = (std::bit_cast<std::uint64_t>(kLimit) >> kCellShift) - kFirstCell;
  struct Cell {
    std::int64_t bucket;
    double end;  // first integer of the next bucket, when that begins in the cell
  };

  LogBuckets();

  std::array<std::uint8_t, kSmall> small_;
  std::array<Cell, kCells> cells_;
};

}  // namespace sherd
