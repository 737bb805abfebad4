#pragma once

#include <cstdint>
#include <span>

#include "worker/data/dataset.h"
#include "worker/data/interaction_reader.h"
#include "worker/data/ranked_set.h"

namespace sherd {

// Full ranking: a chunk is a range of the set's subjects, for each of whom every item is scored. `part.chunk` is such a
// range, and part.max_rows the rows of a minibatch; Minibatch::ranking says what they are.

// For any model: each pair of a user and an item is a row, user by user.
class PairRankingReader : public ChunkReader {
 public:
  PairRankingReader(InteractionChunk part, const FeatureLayout& layout, const RankedSet* set);
  Result<bool> Next(Minibatch* minibatch) override;

 private:
  PairWriter writer_;
  const RankedSet* const set_;
  const std::span<const std::uint32_t> subjects_;
  const std::uint32_t items_;
  std::uint64_t at_;  // pair
  std::uint32_t minibatches_;
};

// For models whose score is a dot product: first each item once, then each subject once. The other side of such a row
// is some user, or item 0, which its vector does not depend on.
class FactorRankingReader : public ChunkReader {
 public:
  FactorRankingReader(InteractionChunk part, const FeatureLayout& layout, const RankedSet* set);
  Result<bool> Next(Minibatch* minibatch) override;

 private:
  void AddItems(std::uint32_t first, Minibatch* minibatch);
  void AddSubjects(std::size_t first, Minibatch* minibatch);

  PairWriter writer_;
  const RankedSet* const set_;
  const std::span<const std::uint32_t> subjects_;
  const std::uint32_t items_;
  const std::uint32_t item_minibatches_, all_minibatches_;
  std::uint32_t minibatches_;
};

// To explain lists (proto::Chunk, `listed`): each of their places is a row, for any model.
class ListedReader : public ChunkReader {
 public:
  ListedReader(InteractionChunk part, const FeatureLayout& layout, const RankedSet* set);
  Result<bool> Next(Minibatch* minibatch) override;

 private:
  PairWriter writer_;
  const std::span<const std::uint32_t> subjects_;
  const std::uint32_t items_;
  int at_ = 0, list_ = 0, list_begin_ = 0;  // place, its list, where that begins
  std::uint32_t minibatches_ = 0;
};

}  // namespace sherd
