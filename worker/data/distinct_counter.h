#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sherd {

// How many different values a column holds, in 16 KiB whatever their number: HyperLogLog (Flajolet et al. 2007) with
// the estimator of Ertl 2017, which needs no table of corrections. Standard error 1.04 / sqrt(2^14) = 0.8 %; small
// counts are nearly exact. A function of the set of values alone: neither their order nor how they were dealt to
// counters that were merged matters. Thread-compatible.
class DistinctCounter {
 public:
  static constexpr double kStandardError = 0.0082;

  DistinctCounter() : registers_(kRegisters, 0) {}

  // By a hash of the value whose every bit depends on all of the value.
  void Add(std::uint64_t hash) {
    std::uint8_t& longest = registers_[hash >> (64 - kIndexBits)];
    // The guard bit bounds the run of zeros by the bits that are left.
    const auto run =
        static_cast<std::uint8_t>(__builtin_clzll(hash << kIndexBits | std::uint64_t{1} << (kIndexBits - 1)) + 1);
    if (run > longest) longest = run;
  }
  void Merge(const DistinctCounter& other);
  double Estimate() const;

  // The registers, one a byte, to be kept in a file; Restore is false when the bytes are none.
  std::string Save() const { return {registers_.begin(), registers_.end()}; }
  bool Restore(const std::string& bytes);

 private:
  static constexpr int kIndexBits = 14;
  static constexpr int kLongestRun = 64 - kIndexBits + 1;
  static constexpr std::size_t kRegisters = std::size_t{1} << kIndexBits;

  std::vector<std::uint8_t> registers_;  // the longest run of zeros, and one, of the hashes that fell to each
};

}  // namespace sherd
