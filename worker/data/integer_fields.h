#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/hash.h"
#include "worker/data/log_bucket.h"

namespace sherd {

// Integers that stand one after another in a line.
struct IntegerFields {
  static constexpr int kMost = 16;
  static constexpr std::int64_t kMissing = std::numeric_limits<std::int64_t>::min();
  alignas(64) std::int64_t values[kMost];
  std::uint32_t unread;  // bits, by field: those that are not up to eight decimal digits without sign
};

// Reads `count` fields from a column on, not the first one, of a line whose columns have these ends (FindFieldEnds).
// From the beginning of each column on that may be among the next kMost ones there are eight bytes of the line.
void ReadIntegers(const char* line, const std::uint32_t* ends, int column, int count, IntegerFields* fields);

// The keys of logarithmic buckets of integers (LogBucket), and of missing ones. Immutable but for adding features.
class LogBucketKeys {
 public:
  // A feature of one of the integers.
  void AddFeature(int field, std::uint64_t field_hash);
  std::size_t features() const { return field_hash_.size(); }
  // Behind the keys as many may be written as fill the last vector.
  static constexpr std::size_t kSlack = 8;
  void Find(const IntegerFields& fields, Key* keys) const;

 private:
  const LogBuckets& buckets_ = LogBuckets::Shared();
  std::vector<std::uint64_t> field_hash_;
  std::vector<std::uint64_t> fields_;  // by feature, whole vectors: which of the integers
  std::vector<std::uint64_t> begins_;  // the same: where its keys begin
  std::vector<Key> keys_;              // by feature and bucket; behind the buckets that of the missing value
};

}  // namespace sherd
