#include "worker/data/quantile_sketch.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "base/hash.h"

namespace sherd {
namespace {

constexpr double kShrink = 2.0 / 3;  // of a level's room, from the one above it
constexpr std::size_t kLeastRoom = 64;
constexpr std::size_t kMostLevels = 60;
constexpr std::uint64_t kCoin = 0x6b6c6c;

}  // namespace

std::size_t QuantileSketch::RoomOf(std::size_t level) const {
  const double depth = static_cast<double>(levels_.size() - 1 - level);
  return std::max(kLeastRoom, static_cast<std::size_t>(static_cast<double>(kWidth) * std::pow(kShrink, depth)));
}

void QuantileSketch::Resize(std::size_t levels) {
  levels_.resize(levels);
  room_ = 0;
  for (std::size_t level = 0; level < levels; ++level) room_ += RoomOf(level);
}

// Makes room: the lowest level that is full gives half of its values away. Thrown away are those of the least weight.
void QuantileSketch::Compact() {
  while (kept_ >= room_) {
    std::size_t level = 0;
    while (level + 1 < levels_.size() && levels_[level].size() < RoomOf(level)) ++level;
    Halve(level);
  }
}

// Every other value, in ascending order, goes up, where it stands for twice as many; a hash says which.
void QuantileSketch::Halve(std::size_t level) {
  if (level + 1 == levels_.size()) Resize(levels_.size() + 1);
  std::vector<double>& values = levels_[level];
  std::vector<double>& above = levels_[level + 1];
  std::sort(values.begin(), values.end());
  const std::size_t odd = values.size() % 2;  // the smallest stays where the values do not pair
  for (std::size_t i = odd + (Mix(kCoin, compactions_++) & 1); i < values.size(); i += 2) above.push_back(values[i]);
  kept_ -= values.size() / 2;
  values.resize(odd);
}

void QuantileSketch::Merge(const QuantileSketch& other) {
  count_ += other.count_;
  kept_ += other.kept_;
  compactions_ += other.compactions_;
  for (std::size_t i = 0; i < kSmall; ++i) small_[i] += other.small_[i];
  if (other.levels_.size() > levels_.size()) Resize(other.levels_.size());
  for (std::size_t level = 0; level < other.levels_.size(); ++level) {
    levels_[level].insert(levels_[level].end(), other.levels_[level].begin(), other.levels_[level].end());
  }
  Compact();
}

std::vector<std::pair<double, std::uint64_t>> QuantileSketch::Sorted() const {
  std::vector<std::pair<double, std::uint64_t>> sorted;
  for (std::size_t i = 0; i < kSmall; ++i) {
    if (small_[i] > 0) sorted.emplace_back(static_cast<double>(i), small_[i]);
  }
  for (std::size_t level = 0; level < levels_.size(); ++level) {
    for (const double value : levels_[level]) sorted.emplace_back(value, std::uint64_t{1} << level);
  }
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

bool QuantileSketch::Restore(std::vector<std::uint64_t> small, std::vector<std::vector<double>> levels,
                             std::uint64_t compactions) {
  if (small.size() != kSmall || levels.empty() || levels.size() > kMostLevels) return false;
  small_ = std::move(small);
  count_ = std::accumulate(small_.begin(), small_.end(), std::uint64_t{0});
  kept_ = 0;
  for (std::size_t level = 0; level < levels.size(); ++level) {
    count_ += std::uint64_t{levels[level].size()} << level;
    kept_ += levels[level].size();
  }
  compactions_ = compactions;
  Resize(levels.size());
  levels_ = std::move(levels);
  return true;
}

std::vector<double> QuantileEdges(const QuantileSketch& sketch, std::uint32_t quantiles) {
  const auto sorted = sketch.Sorted();
  std::vector<double> edges;
  std::uint64_t behind = 0;  // ranks up to and with sorted[at]
  std::size_t at = 0;
  for (std::uint64_t i = 1; i < quantiles && !sorted.empty(); ++i) {
    const auto rank = static_cast<std::uint64_t>(static_cast<unsigned __int128>(i) * sketch.count() / quantiles);
    while (behind + sorted[at].second <= rank) behind += sorted[at++].second;
    const double before = edges.empty() ? sorted[0].first : edges.back();
    if (sorted[at].first > before) edges.push_back(sorted[at].first);
  }
  return edges;
}

}  // namespace sherd
