#pragma once

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "proto/data_statistics.pb.h"
#include "worker/data/distinct_counter.h"
#include "worker/data/frequent_tokens.h"
#include "worker/data/quantile_sketch.h"

namespace sherd {

// What one pass over a column of numbers tells of it, in bounded memory. Deviations are summed block by block about the
// block's own mean and put together by the formula of Chan et al. 1983. Equal calls make equal summaries.
// Thread-compatible.
class NumberSummary {
 public:
  NumberSummary() { block_.reserve(kBlock); }

  void AddMissing() { ++missing_; }
  void Add(double value) {
    block_.push_back(value);
    if (block_.size() == kBlock) Flush();
  }
  void Merge(NumberSummary* other);  // takes its last block in, too

  // The rest after Flush.
  void Flush();
  const QuantileSketch& sketch() const { return sketch_; }
  proto::ColumnStatistics Statistics() const;  // without name and edges
  void Describe(proto::DataColumn* column) const;
  void Save(proto::NumberSketch* saved) const;
  bool Restore(const proto::NumberSketch& saved);  // false when it is none

 private:
  static constexpr std::size_t kBlock = 1024;

  void AddMoments(std::uint64_t count, double mean, double squares);

  std::vector<double> block_;
  std::uint64_t missing_ = 0, count_ = 0;
  double mean_ = 0, squares_ = 0;
  double min_ = std::numeric_limits<double>::infinity(), max_ = -std::numeric_limits<double>::infinity();
  DistinctCounter distinct_;
  QuantileSketch sketch_;
};

// The same of a column of tokens.
class TokenSummary {
 public:
  void AddMissing() { ++missing_; }
  void Add(std::string_view token) {
    const Key hash = HashBytes(token);
    ++count_;
    distinct_.Add(hash);
    frequent_.Add(hash, token);
  }
  void Merge(const TokenSummary& other);

  void Describe(proto::DataColumn* column) const;
  void Save(proto::TokenSketch* saved) const;
  bool Restore(const proto::TokenSketch& saved);  // false when it is none

 private:
  std::uint64_t missing_ = 0, count_ = 0;
  DistinctCounter distinct_;
  FrequentTokens frequent_;
};

}  // namespace sherd
