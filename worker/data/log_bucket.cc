#include "worker/data/log_bucket.h"

#include <algorithm>
#include <cmath>

namespace sherd {

std::int64_t LogBucket(double x) {
  constexpr double kLowest = -0x1p62;  // what is far below would not fit an integer
  if (x <= 2) return static_cast<std::int64_t>(std::floor(std::max(x, kLowest)));
  const double log = std::log(x);
  return 2 + static_cast<std::int64_t>(std::floor(log * log));
}

LogBuckets::LogBuckets() {
  for (std::int64_t i = 0; i < kSmall; ++i) small_[i] = static_cast<std::uint8_t>(LogBucket(static_cast<double>(i)));
  for (std::uint64_t i = 0; i < kCells; ++i) {
    const auto first = static_cast<std::int64_t>(std::ceil(std::bit_cast<double>((kFirstCell + i) << kCellShift)));
    const auto behind = static_cast<std::int64_t>(std::ceil(std::bit_cast<double>((kFirstCell + i + 1) << kCellShift)));
    cells_[i].bucket = LogBucket(static_cast<double>(first));
    std::int64_t low = first, high = behind;  // low is in the cell's first bucket, high is not or is behind the cell
    while (high - low > 1) {
      const std::int64_t middle = low + (high - low) / 2;
      (LogBucket(static_cast<double>(middle)) == cells_[i].bucket ? low : high) = middle;
    }
    cells_[i].end = static_cast<double>(high);
  }
}

const LogBuckets& LogBuckets::Shared() {
  static const LogBuckets shared;
  return shared;
}

}  // namespace sherd
