#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sherd {

// Which value stands at which rank among any number of them, in bounded memory: KLL (Karnin, Lang, Liberty 2016) of
// width 4096, about 100 KB. A value's rank is off by at most 0.1 % of the count, in 99 of 100 cases. Integers from 0 to
// 1023, which is what counts mostly are, are counted one by one and never off, and up to 4096 other values are all
// kept. What is thrown away follows from hashes, so equal calls, merges among them, make equal sketches.
// Thread-compatible.
class QuantileSketch {
 public:
  static constexpr std::size_t kWidth = 4096;
  static constexpr double kRankError = 0.001;

  void Add(double value) {  // no NaN
    ++count_;
    if (value >= 0 && value < kSmall) {
      const auto small = static_cast<std::size_t>(value);
      if (static_cast<double>(small) == value) {
        ++small_[small];
        return;
      }
    }
    levels_[0].push_back(value);
    if (++kept_ >= room_) Compact();
  }
  void Merge(const QuantileSketch& other);

  std::uint64_t count() const { return count_; }
  // The values that are kept, ascending, each with how many it stands for: count() together.
  std::vector<std::pair<double, std::uint64_t>> Sorted() const;

  // The inner state, to be kept in a file: counts of the small integers, and the values of each level, of which those
  // of level l stand for 2^l.
  const std::vector<std::uint64_t>& small() const { return small_; }
  const std::vector<std::vector<double>>& levels() const { return levels_; }
  std::uint64_t compactions() const { return compactions_; }
  // False when it is none.
  bool Restore(std::vector<std::uint64_t> small, std::vector<std::vector<double>> levels, std::uint64_t compactions);

 private:
  static constexpr std::size_t kSmall = 1024;

  std::size_t RoomOf(std::size_t level) const;
  void Resize(std::size_t levels);
  void Compact();
  void Halve(std::size_t level);

  std::uint64_t count_ = 0;
  std::vector<std::uint64_t> small_ = std::vector<std::uint64_t>(kSmall);
  std::vector<std::vector<double>> levels_{1};
  std::size_t kept_ = 0, room_ = kWidth;  // values in all levels
  std::uint64_t compactions_ = 0;
};

// The edges that part the values into `quantiles` buckets of equal share: edge i is the value at rank i * n / quantiles
// of n, equal ones counting once, and none that would leave the first bucket empty.
std::vector<double> QuantileEdges(const QuantileSketch& sketch, std::uint32_t quantiles);

}  // namespace sherd
