#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "worker/data/dataset.h"
#include "worker/data/epoch_order.h"
#include "worker/data/histories.h"
#include "worker/data/interactions.h"
#include "worker/data/neighbourhood_finder.h"
#include "worker/data/pair_encoder.h"
#include "worker/data/sequence_encoder.h"

namespace sherd {

// What the readers of interactions have in common. All pointers must stay.
struct InteractionChunk {
  const Interactions* interactions;
  const Interactions::File* file;
  proto::Chunk chunk;
  std::uint32_t epoch = 0;
  std::uint32_t first_minibatch = 0;
  std::uint32_t max_rows = 0;  // of a minibatch
  std::string group_by;        // "user", "item" or empty
  NeighbourhoodFinder::Options neighbourhood;
  const Histories* histories = nullptr;  // with data.user_item.sequences
};

// Fills minibatches with pairs: where the job has sequences each with its user's history, where the model wants it with
// their neighbourhood.
class PairWriter {
 public:
  PairWriter(InteractionChunk chunk, const FeatureLayout& layout);
  void Begin(std::uint32_t index, std::uint32_t max_rows, Minibatch* minibatch);
  enum class History { kOfUser, kNone };
  // Of the file's row, which may be paired with another item.
  void Add(const Interaction& row, std::uint32_t item, float label, std::uint64_t row_id, Minibatch* minibatch,
           History history = History::kOfUser);
  void End(Minibatch* minibatch);

  const InteractionChunk& chunk() const { return chunk_; }

 private:
  void FindNeighbourhood(Minibatch* minibatch);

  const InteractionChunk chunk_;
  const int user_table_, item_table_;
  PairEncoder encoder_;
  NeighbourhoodFinder finder_;
  std::vector<std::uint32_t> users_, items_;  // of the minibatch's rows, with a neighbourhood
  std::optional<SequenceEncoder> sequences_;  // in its place, where there are histories
};

// Training: each row of the chunk once with label 1, and with `negatives` items that its user has not in training,
// drawn anew each epoch; all in an order of their own. In groups, a positive's negatives stand behind it, and positives
// that have none are left out.
class SampleReader : public ChunkReader {
 public:
  enum class Order { kAlone, kGroups };
  // `log_shares`: null, or by item what Minibatch::log_shares are.
  SampleReader(PairWriter writer, EpochOrder::Rows order, const UserItems* known, std::uint32_t negatives,
               std::uint64_t seed, Order samples, const std::vector<float>* log_shares);
  Result<bool> Next(Minibatch* minibatch) override;

 private:
  const Interaction& RowOf(std::uint32_t sample) const;
  void Skip(std::uint64_t samples);
  bool Impossible(std::uint32_t sample) const;
  void SkipImpossible();
  void Add(std::uint32_t sample, Minibatch* minibatch);

  PairWriter writer_;
  const EpochOrder::Rows order_;
  const UserItems* const known_;
  const std::vector<float>* const log_shares_;
  const std::uint32_t per_row_;         // samples of a row
  const std::uint32_t step_;            // samples that stay together: 1, or those of a row
  const std::uint64_t seed_;            // of the job and the epoch
  std::vector<std::uint32_t> samples_;  // the first of each `step_`
  std::uint32_t minibatch_rows_ = 0;
  std::size_t at_ = 0;
  std::uint32_t minibatches_ = 0;
};

// Evaluation: the true item of each row and its candidates, whole lists a minibatch.
class ListReader : public ChunkReader {
 public:
  // `first_row`: number of the file's first row among all of the set. `lists`: null to sample `candidates` items that
  // the user has in no set, which is what `known` says.
  ListReader(PairWriter writer, std::uint64_t first_row, const CandidateLists* lists, const UserItems* known,
             std::uint32_t candidates);
  Result<bool> Next(Minibatch* minibatch) override;

 private:
  void FindCandidates();
  bool Fits(const Minibatch& minibatch) const;
  void AddList(Minibatch* minibatch);

  PairWriter writer_;
  const std::uint64_t first_row_;
  const CandidateLists* const lists_;
  const UserItems* const known_;
  const std::uint32_t candidates_;
  std::uint64_t at_;                 // row of the file
  std::vector<std::uint32_t> list_;  // its candidates
  std::uint32_t minibatches_ = 0;
};

// Predicting: each row once, in file order.
class PairReader : public ChunkReader {
 public:
  explicit PairReader(PairWriter writer);
  Result<bool> Next(Minibatch* minibatch) override;

 private:
  PairWriter writer_;
  std::uint64_t at_;
  std::uint32_t minibatches_ = 0;
};

}  // namespace sherd
