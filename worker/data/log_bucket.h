#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace sherd {

// The bucket of a feature without quantiles or edges: x <= 2 ? floor(x) : 2 + floor(log(x)^2).
std::int64_t LogBucket(double x);

// What the key of a missing value is made of, in place of a bucket.
inline constexpr std::uint64_t kMissingBucket = std::uint64_t{1} << 63;

// The same of integers without a logarithm. A double's exponent and first six bits of mantissa name a cell, which is
// so narrow that at most one bucket ends in it; for each cell a table tells its first bucket and where that ends. Small
// integers have a cell each. Immutable.
class LogBuckets {
 public:
  static constexpr std::uint64_t kSmall = 1024;
  static constexpr double kLimit = 0x1p40;
  static constexpr int kCellShift = 52 - 6;
  // What to take from a double's bits, shifted, for the index of its cell.
  static constexpr std::uint64_t kCellBase = (std::bit_cast<std::uint64_t>(double{kSmall}) >> kCellShift) - kSmall;
  // A cell: its first bucket in so many bits, above them the first integer of the next one.
  static constexpr int kBucketBits = 16;

  // Shared: it takes a millisecond to make.
  static const LogBuckets& Shared();

  std::int64_t Of(double x) const {
    if (!(x >= 0 && x < kLimit)) return LogBucket(x);
    const auto integer = static_cast<std::uint64_t>(x);
    if (static_cast<double>(integer) != x) return LogBucket(x);
    return static_cast<std::int64_t>(BucketOf(cells(), integer));
  }
  // Of integers below kLimit; `cells` are those of Shared().
  static std::uint64_t BucketOf(const std::uint64_t* cells, std::uint64_t integer) {
    const std::uint64_t cell = cells[integer < kSmall ? integer : CellOf(static_cast<double>(integer))];
    return cell % (1 << kBucketBits) + (integer >= cell >> kBucketBits);
  }
  const std::uint64_t* cells() const { return cells_.data(); }

 private:
  static constexpr std::uint64_t CellOf(double x) {
    return (std::bit_cast<std::uint64_t>(x) >> kCellShift) - kCellBase;
  }

  LogBuckets();

  std::array<std::uint64_t, (std::bit_cast<std::uint64_t>(kLimit) >> kCellShift) - kCellBase>
      cells_;  // below kSmall one each
};

}  // namespace sherd
