#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/metrics/full_ranking.h"
#include "worker/catalogue_ranker.h"

namespace sherd {

// Sums up how well the lists have found what is relevant. Thread-compatible.
class ListJudge : public RankedListSink {
 public:
  explicit ListJudge(const std::vector<std::uint32_t>& at) : quality_(at) {}

  void Take(const RankingPart& part, std::size_t user, std::span<const RankedItem> list) override;
  const FullRankingQuality& quality() const { return quality_; }
  void Clear() { quality_.Clear(); }

 private:
  FullRankingQuality quality_;
  std::vector<std::uint32_t> hits_;
};

// Keeps the lists, one behind the other. Thread-compatible.
class ListCollector : public RankedListSink {
 public:
  void Take(const RankingPart& part, std::size_t user, std::span<const RankedItem> list) override;

  std::vector<std::uint32_t> lengths;
  std::vector<std::uint64_t> items;
  std::vector<float> scores;
};

}  // namespace sherd
