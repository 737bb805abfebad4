#include "worker/data/log_bucket.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace sherd {

std::int64_t LogBucket(double x) {
  constexpr double kLowest = -0x1p62;  // what is far below would not fit an integer
  if (x <= 2) return static_cast<std::int64_t>(std::floor(std::max(x, kLowest)));
  const double log = std::log(x);
  return 2 + static_cast<std::int64_t>(std::floor(log * log));
}

LogBuckets::LogBuckets() {
  constexpr std::uint64_t kNever = std::uint64_t{1} << (63 - kBucketBits);
  const auto bucket_of = [](std::uint64_t i) { return static_cast<std::uint64_t>(LogBucket(static_cast<double>(i))); };
  for (std::uint64_t i = 0; i < kSmall; ++i) cells_[i] = kNever << kBucketBits | bucket_of(i);
  const auto first_of = [](std::uint64_t cell) {
    return static_cast<std::uint64_t>(std::ceil(std::bit_cast<double>((cell + kCellBase) << kCellShift)));
  };
  for (std::uint64_t i = kSmall; i < cells_.size(); ++i) {
    const std::uint64_t bucket = bucket_of(first_of(i));
    std::uint64_t low = first_of(i), high = first_of(i + 1);  // low is in the bucket, high is not or is behind the cell
    while (high - low > 1) {
      const std::uint64_t middle = low + (high - low) / 2;
      (bucket_of(middle) == bucket ? low : high) = middle;
    }
    cells_[i] = high << kBucketBits | bucket;
  }
}

const LogBuckets& LogBuckets::Shared() {
  static const LogBuckets shared;
  return shared;
}

}  // namespace sherd
