#pragma once

#include <cstdint>
#include <vector>

#include "models/feature_layout.h"
#include "proto/checkpoint.pb.h"
#include "worker/data/row_parser.h"
#include "worker/data/schema.h"
#include "worker/data/token_counter.h"

namespace sherd {

// One pass over a column: count, mean and deviation (of the population; Welford's recurrence), smallest, largest, and
// quantile edges. Quantiles are exact for up to kMaxKept values; beyond that they are those of a sample chosen by the
// rows' hashes. Depends on the order of the values. Thread-compatible.
class ColumnAccumulator {
 public:
  static constexpr std::size_t kMaxKept = 4 << 20;

  // quantiles = 0: no edges. `max_kept` is for tests.
  explicit ColumnAccumulator(std::uint32_t quantiles, std::size_t max_kept = kMaxKept)
      : quantiles_(quantiles), max_kept_(max_kept) {}

  void Add(double value, std::uint32_t row_hash);
  void AddMissing() { ++missing_; }
  // Edge i of q is the value at rank i * n / q; equal ones count once, and none that would leave the first bucket
  // empty.
  proto::ColumnStatistics Finish();

 private:
  void Thin();

  const std::uint32_t quantiles_;
  const std::size_t max_kept_;
  std::uint64_t count_ = 0, missing_ = 0;
  double mean_ = 0, squares_ = 0, min_ = 0, max_ = 0;
  std::vector<double> kept_;
  std::vector<std::uint32_t> kept_hash_;
  std::uint32_t largest_hash_ = ~std::uint32_t{0};  // rows with a larger one are not in the sample
};

// Does a feature standardise, bucket by quantiles, or have a vocabulary?
bool NeedsStatistics(const proto::Feature& feature);

// Statistics by which rows can be decoded whose numbers nobody uses.
proto::Statistics StandInStatistics(const FeatureLayout& layout);

// What the features of a job need to know of the training rows, each under its feature's name.
class StatisticsCollector {
 public:
  // `layout` must stay.
  StatisticsCollector(const FeatureLayout& layout, const Schema& schema);
  bool empty() const { return features_.empty() && counters_.empty(); }
  // With the numbers and tokens that features need.
  void Add(const Row& row, std::uint64_t row_id) {
    AddNumbers(row, row_id);
    for (TokenCounter& counter : counters_) counter.Add(row);
  }
  void AddNumbers(const Row& row, std::uint64_t row_id);
  // Of each feature with a vocabulary, for who has its tokens otherwise.
  std::vector<TokenCounter>& counters() { return counters_; }
  // BadData: no token is frequent enough for a feature's vocabulary.
  Result<proto::Statistics> Finish();

 private:
  struct Feature {
    std::string name;
    int column;
    ColumnAccumulator accumulator;
  };
  std::vector<Feature> features_;
  std::vector<TokenCounter> counters_;
};

}  // namespace sherd
