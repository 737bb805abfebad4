#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/hash.h"

namespace sherd {

// How often each of a sample of a stream's distinct keys came: those whose hash begins with so many zeros, as many as
// keep within a bound (adaptive sampling: Ph. Flajolet, "On adaptive sampling", 1990). A key is in it from its first
// occurrence on or not at all, so that its count is exact. Thread-compatible.
class KeySample {
 public:
  // Of distinct(), once not all keys are kept: 1.2 / sqrt(kMost).
  static constexpr double kStandardError = 0.005;

  void Add(Key key);

  std::uint64_t occurrences() const { return occurrences_; }
  double distinct() const { return static_cast<double>(counts_.size()) * weight(); }
  bool exact() const { return level_ == 0; }
  // By share: how many distinct keys so large a share of the occurrences, drawn at random, can be expected to hold.
  std::vector<double> DistinctOf(std::span<const double> shares) const;

 private:
  static constexpr std::size_t kMost = 1 << 16;

  double weight() const { return static_cast<double>(std::uint64_t{1} << level_); }
  bool Sampled(Key key) const;

  int level_ = 0;  // zeros
  std::uint64_t occurrences_ = 0;
  std::unordered_map<Key, std::uint32_t> counts_;
};

}  // namespace sherd
