#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/hash.h"
#include "base/status.h"
#include "models/feature_layout.h"
#include "proto/checkpoint.pb.h"
#include "proto/data_statistics.pb.h"
#include "worker/data/row_parser.h"
#include "worker/data/schema.h"

namespace sherd {

// Counts the tokens of a feature with a vocabulary, by the keys that they would have without one: about 40 bytes for
// each different token. What is counted in parts and merged is the same in any order. Thread-compatible.
class TokenCounter {
 public:
  // `feature` must stay. `column`: of the schema, as it is in Schema::feature_column.
  TokenCounter(const FeatureLayout::FeatureColumn& feature, const Schema& schema, int column);

  const FeatureLayout::FeatureColumn& feature() const { return feature_; }
  std::uint64_t field_hash() const { return field_hash_; }

  // The tokens of a row of text; missing ones do not count.
  void Add(const Row& row);
  void Add(Key token, std::uint64_t count) {
    if (token != missing_) counts_[token] += count;
  }
  void Merge(const TokenCounter& other) {
    for (const auto& [key, count] : other.counts_) counts_[key] += count;
  }
  void Merge(const proto::KeyCounts& counts);
  proto::KeyCounts Save() const;

  // The vocabulary: the tokens with enough values, the most frequent one first, of equal ones that of the smaller key.
  // BadData: there are none.
  Status Finish(proto::ColumnStatistics* statistics) const;

 private:
  void AddText(std::string_view token) { Add(TokenKey(field_hash_, token), 1); }

  const FeatureLayout::FeatureColumn& feature_;
  const int column_;
  const bool occurrences_;
  const std::string separator_;
  const std::uint64_t field_hash_;
  const Key missing_;
  std::unordered_map<Key, std::uint64_t> counts_;
};

}  // namespace sherd
