#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "models/metrics/diverse_list.h"
#include "models/metrics/full_ranking.h"
#include "worker/catalogue_ranker.h"

namespace sherd {

// Sums up how well the lists have found what is relevant, and what they are like. Thread-compatible.
class ListJudge : public RankedListSink {
 public:
  explicit ListJudge(const std::vector<std::uint32_t>& at) : quality_(at) {}

  void Take(const RankingPart& part, std::size_t user, std::span<const RankedItem> list,
            const ItemVectors& vectors) override;
  const FullRankingQuality& quality() const { return quality_; }
  void Clear() { quality_.Clear(); }

 private:
  FullRankingQuality quality_;
  std::vector<std::uint32_t> hits_;
};

// Keeps the lists, one behind the other, or with recommend.mmr what that chooses of each. Thread-compatible.
class ListCollector : public RankedListSink {
 public:
  explicit ListCollector(const proto::Recommend& wanted) {
    if (wanted.has_mmr()) diverse_.emplace(wanted.mmr(), wanted.at());
  }

  void Take(const RankingPart& part, std::size_t user, std::span<const RankedItem> list,
            const ItemVectors& vectors) override;

  std::vector<std::uint32_t> lengths;
  std::vector<std::uint64_t> items;
  std::vector<float> scores;

 private:
  std::optional<DiverseList> diverse_;
};

}  // namespace sherd
