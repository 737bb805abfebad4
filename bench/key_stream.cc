#include "bench/key_stream.h"

#include <glog/logging.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

namespace sherd::bench {
namespace {

constexpr double kExponent = 1.05;
constexpr std::uint64_t kPrime = 2'654'435'761;  // above any number of rows here: i * kPrime mod rows is a bijection

}  // namespace

ZipfRanks::ZipfRanks(std::uint64_t ranks, double exponent)
    : ranks_(static_cast<double>(ranks)),
      exponent_(exponent),
      first_(Area(1.5) - 1),
      last_(Area(ranks_ + 0.5)),
      sure_(2 - AtArea(Area(2.5) - std::pow(2, -exponent))) {
  CHECK_GT(exponent, 1);
  CHECK_GT(ranks, 0u);
}

double ZipfRanks::Area(double x) const { return (std::pow(x, 1 - exponent_) - 1) / (1 - exponent_); }
double ZipfRanks::AtArea(double area) const { return std::pow(1 + area * (1 - exponent_), 1 / (1 - exponent_)); }

std::uint64_t ZipfRanks::At(std::uint64_t seed) const {
  for (std::uint64_t trial = 0;; ++trial) {
    const double area = last_ + UnitDouble(Mix(seed, trial)) * (first_ - last_);
    const double x = AtArea(area);
    const double rank = std::clamp(std::floor(x + 0.5), 1.0, ranks_);
    if (rank - x <= sure_ || area >= Area(rank + 0.5) - std::pow(rank, -exponent_)) {
      return static_cast<std::uint64_t>(rank);
    }
  }
}

RowDraws::RowDraws(Draw draw, std::uint64_t begin, std::uint64_t end)
    : draw_(draw), begin_(begin), rows_(end - begin), ranks_(rows_, kExponent) {
  CHECK_LT(rows_, kPrime);
}

std::uint64_t RowDraws::At(std::uint64_t seed) const {
  if (draw_ == Draw::kUniform) return begin_ + Below(Mix(seed), rows_);
  return begin_ + (ranks_.At(seed) * kPrime) % rows_;
}

std::vector<KeyBatch> DrawBatches(const RowDraws& draws, std::size_t count, std::size_t size, std::uint64_t lines) {
  std::vector<KeyBatch> batches(count);
  std::uint64_t seed = 1;
  for (KeyBatch& batch : batches) {
    std::unordered_set<std::uint64_t> seen;
    seen.reserve(size);
    while (seen.size() < size) {
      const std::uint64_t row = draws.At(Mix(seed++, 5));
      if (!seen.insert(row).second) continue;
      batch.keys.push_back(KeyOf(row));
      batch.rows.push_back(static_cast<std::uint32_t>(row));
      batch.lines.push_back(static_cast<std::uint32_t>(Below(Mix(row, 3), lines)));
    }
  }
  return batches;
}

}  // namespace sherd::bench
