#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/metrics/list_variety.h"
#include "models/metrics/top_items.h"
#include "worker/data/minibatch.h"

namespace sherd {

// Takes the best items of each user of a full ranking.
class RankedListSink {
 public:
  virtual ~RankedListSink() = default;
  // Of the part's user of that number: the best first. `vectors`: empty where pairs were scored.
  virtual void Take(const RankingPart& part, std::size_t user, std::span<const RankedItem> list,
                    const ItemVectors& vectors) = 0;
};

// Finds the K best of all items for each user of a chunk. Takes the chunk's minibatches in order, with what the model
// made of them. Memory: the items' vectors, or one user's scores, and a block of scores. Confined to one thread.
class CatalogueRanker {
 public:
  // `sink` must outlive the ranker.
  CatalogueRanker(std::uint32_t k, RankedListSink* sink);

  // `values`: for pairs one score a row; for the other kinds a vector a row.
  void Add(const RankingPart& part, std::uint32_t rows, std::span<const float> values);

 private:
  void AddItems(const RankingPart& part, std::span<const float> vectors);
  void AddSubjects(const RankingPart& part, std::uint32_t rows, std::span<const float> vectors);
  void AddPairs(const RankingPart& part, std::span<const float> scores);
  // Of the users [first, first + count) of the part.
  void RankBlock(const RankingPart& part, std::uint32_t first, std::uint32_t count, const float* vectors,
                 std::size_t dim);
  void Scale(const RankingPart& part, std::uint32_t first, std::uint32_t count, std::uint32_t item,
             std::uint32_t items);
  void LeaveOut(const RankingPart& part, std::size_t user, std::uint32_t first, std::span<float> scores) const;

  RankedListSink* const sink_;
  std::vector<TopItems> tops_;                       // [users of a block]
  std::vector<float> items_;                         // [catalogue, dim]; pairs: the scores of the user at hand
  std::vector<float> item_scales_, subject_scales_;  // kAlike: 1 / length of the vectors; 0 where it is 0
  std::vector<float> block_;                         // [users of a block, items of a block]
};

}  // namespace sherd
