#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "worker/data/bad_row_log.h"
#include "worker/data/dataset.h"
#include "worker/data/epoch_order.h"
#include "worker/data/histories.h"
#include "worker/data/interaction_reader.h"
#include "worker/data/interactions.h"
#include "worker/data/neighbourhood_finder.h"
#include "worker/data/ranked_set.h"
#include "worker/data/schema.h"

namespace sherd {

// The sets of the USER_ITEM format: training rows with their negatives, evaluation rows as candidate lists. All is read
// when it is opened, bad rows too; reading again counts nothing. Thread-safe.
class InteractionDataset : public Dataset {
 public:
  static Result<std::unique_ptr<Dataset>> Open(const proto::Job& job, const FeatureLayout& layout, Options options);

  Result<proto::Statistics> ComputeStatistics() override { return proto::Statistics(); }
  void SetStatistics(proto::Statistics) override {}
  bool Has(proto::Chunk::Set set) const override { return ranks(set) || !interactions_.sets[set].empty(); }
  Result<std::vector<proto::Chunk>> Chunks(proto::Chunk::Set set, std::uint32_t epoch, std::uint32_t workers) override;
  Result<std::unique_ptr<ChunkReader>> Read(const proto::Chunk& chunk, std::uint32_t epoch,
                                            std::uint32_t first_minibatch) override;
  std::uint32_t max_rows() const override { return max_rows_; }
  ReadCounts counts() const override { return log_.counts(); }
  Status CheckFirstRows(std::uint32_t rows) override { return log_.Check(job_.data().max_bad_fraction()); }
  std::string FileName(proto::Chunk::Set set, std::uint32_t file) const override;
  // With job.recommend, whose lists are the TEST set: for whom they are. Null without.
  const Recommended* recommended() const { return recommended_ ? &*recommended_ : nullptr; }
  const Interactions& interactions() const { return interactions_; }
  const FeatureLayout& layout() const { return layout_; }
  const Histories* histories() const { return histories_ ? &*histories_ : nullptr; }  // null without sequences

 private:
  InteractionDataset(const proto::Job& job, const FeatureLayout& layout, Options options)
      : job_(job), layout_(layout), options_(options) {}

  Status Prepare();
  Status PrepareGraph();
  Status PrepareSequences();
  // Are a set's rows the sequences that are trained on?
  bool sequences(proto::Chunk::Set set) const { return histories_ && set == proto::Chunk::TRAIN && !options_.predict; }
  // The fewest rows of a minibatch of rankings and lists.
  std::uint32_t ListRows() const;
  Status PrepareLists();
  Status PrepareRanking();
  Status PrepareToRecommend();
  bool ranks(proto::Chunk::Set set) const { return ranked_[set].has_value(); }
  Status CheckLists(const proto::Chunk& chunk) const;
  std::unique_ptr<ChunkReader> ReadRanking(InteractionChunk part) const;
  // Of a set: training takes some of many neighbours, where the job says so.
  NeighbourhoodFinder::Options Neighbours(proto::Chunk::Set set, std::uint32_t epoch) const;
  bool lists(proto::Chunk::Set set) const { return set != proto::Chunk::TRAIN && !options_.predict; }
  std::uint64_t UsersOfChunk(proto::Chunk::Set set, std::uint32_t workers) const;
  SampleReader::Order SampleOrder() const;
  // Rows of a chunk of so many minibatches.
  std::uint64_t RowsOf(proto::Chunk::Set set, std::uint64_t minibatches) const;

  const proto::Job& job_;
  const FeatureLayout& layout_;
  const Options options_;
  Schema schema_;
  BadRowLog log_;
  Interactions interactions_;
  std::optional<UserItemGraph> graph_;              // for models that propagate over it
  std::optional<UserItems> trained_;                // what each user has in training: never a negative
  std::optional<UserItems> touched_;                // what each user has anywhere: never a sampled candidate
  std::optional<Histories> histories_;              // with data.user_item.sequences
  std::vector<std::unique_ptr<EpochOrder>> order_;  // of the training files, or, one, of the users with sequences
  std::optional<Recommended> recommended_;
  std::array<std::optional<RankedSet>, 3> ranked_;  // by set, with evaluation.full_ranking
  bool by_factors_ = false;                         // it goes by items' and users' vectors
  std::vector<float> log_shares_;                   // by item, for losses that compare the items of a minibatch
  std::uint32_t longest_list_ = 0;
  std::uint32_t max_rows_ = 0;
};

}  // namespace sherd
