#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "net/message.h"
#include "proto/job.pb.h"
#include "worker/catalogue_ranker.h"
#include "worker/ranked_lists.h"
#include "worker/work.h"

namespace sherd {

// Sums over candidate lists. With `rank` the number of candidates that stand before the true item (0 is best), counting
// half of those with an equal score, rounded down: HR@K = [rank < K], NDCG@K = [rank < K] / log2(rank + 2), reciprocal
// rank = 1 / (rank + 1) (He et al. 2017, with ties neither won nor lost).
struct ListSums {
  std::uint64_t lists = 0;
  double hits = 0, ndcg = 0, reciprocal_ranks = 0;
};

// Ranks lists. Thread-compatible.
class ListRanker {
 public:
  explicit ListRanker(std::uint32_t at) : at_(at) {}

  // One list, its first row the true item; a candidate that is named twice, or is the true item again, counts once. A
  // score that can not be compared (NaN) never speaks for the true item.
  void Add(std::span<const float> scores, std::span<const std::uint64_t> names);
  const ListSums& sums() const { return sums_; }
  void Clear() { sums_ = {}; }

 private:
  const std::uint32_t at_;
  ListSums sums_;
  std::vector<std::pair<std::uint64_t, float>> candidates_;
};

// Gathers the predictions of an EVALUATE task's chunk into its EVAL_RESULT: logits (values with squared error),
// corrected for down-sampled negatives or clipped to data.label_range, with labels, weights and groups; sums alone
// where the rows stand in candidate lists, or all items are ranked. To predict: one score for each input row of the
// chunk, NaN for a bad one. With job.recommend: the lists of the chunk's users, or the shares of those that the chunk
// has. Confined to one thread.
class Evaluator {
 public:
  Evaluator(const proto::Job& job, bool predict);

  // The works of a chunk in order; `scores` are the work's, none when it has no rows.
  void Add(const Work& work, std::span<const float> scores);
  // The message, when `last` ends its chunk. `kinds`: the bad rows read so far, first of each kind. Begins anew.
  Message Finish(const Work& last, std::span<const proto::BadRow> kinds);

 private:
  void AddLists(const Minibatch& minibatch, std::span<const float> scores);
  void AddPredictions(const Minibatch& minibatch, std::span<const float> scores);
  void AddRows(const Minibatch& minibatch, std::span<const float> scores);
  void AddShares(const Work& work);

  // What is told of a model's output.
  float PredictionOf(float score) const;

  const bool predict_, recommend_;
  float logit_shift_ = 0;
  float min_, max_;  // of squared error's predictions
  ListRanker ranker_;
  ListJudge judge_;
  ListCollector collector_;
  CatalogueRanker catalogue_ranker_;
  std::vector<float> scores_, labels_, weights_;
  std::vector<std::uint64_t> groups_;
  std::vector<std::uint32_t> share_counts_;
  std::uint64_t rows_ = 0, bad_rows_ = 0;
};

}  // namespace sherd
