#include "worker/evaluator.h"

#include <glog/logging.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace sherd {
namespace {

// The frame takes the vector over and leaves an empty one.
template <typename T>
Frame TakeFrame(std::vector<T>* values) {
  auto owner = std::make_shared<std::vector<T>>(std::move(*values));
  values->clear();
  return {std::as_bytes(std::span<const T>(*owner)), owner};
}

// That are scored best: with recommend.mmr the list is chosen out of a longer one.
std::uint32_t ItemsOfList(const proto::Recommend& wanted) {
  return wanted.has_mmr() ? std::max(wanted.at(), wanted.mmr().candidates()) : wanted.at();
}

}  // namespace

void ListRanker::Add(std::span<const float> scores, std::span<const std::uint64_t> names) {
  CHECK_EQ(scores.size(), names.size());
  if (scores.empty()) return;
  candidates_.clear();
  for (std::size_t i = 1; i < scores.size(); ++i) {
    if (names[i] != names[0]) candidates_.emplace_back(names[i], scores[i]);
  }
  const auto same_name = [](const auto& a, const auto& b) { return a.first == b.first; };
  std::stable_sort(candidates_.begin(), candidates_.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  candidates_.erase(std::unique(candidates_.begin(), candidates_.end(), same_name), candidates_.end());
  std::uint64_t higher = 0, equal = 0;
  for (const auto& [name, score] : candidates_) {
    if (score == scores[0]) {
      ++equal;
    } else if (!(score < scores[0])) {
      ++higher;
    }
  }
  const std::uint64_t rank = higher + equal / 2;
  ++sums_.lists;
  sums_.reciprocal_ranks += 1.0 / static_cast<double>(rank + 1);
  if (rank >= at_) return;
  sums_.hits += 1;
  sums_.ndcg += 1.0 / std::log2(static_cast<double>(rank + 2));
}

Evaluator::Evaluator(const proto::Job& job, bool predict)
    : predict_(predict),
      recommend_(job.has_recommend()),
      min_(-std::numeric_limits<float>::infinity()),
      max_(std::numeric_limits<float>::infinity()),
      ranker_(job.evaluation().at()),
      judge_(FullRankingQuality::PlacesOf(job.evaluation())),
      collector_(job.recommend()),
      catalogue_ranker_(
          recommend_ ? ItemsOfList(job.recommend()) : FullRankingQuality::PlacesOf(job.evaluation()).back(),
          recommend_ ? static_cast<RankedListSink*>(&collector_) : &judge_) {
  if (job.data().has_label_range()) {
    min_ = static_cast<float>(job.data().label_range().min());
    max_ = static_cast<float>(job.data().label_range().max());
  }
  // p / (p + (1 - p) / rate) multiplies the odds by the rate.
  if (job.model().loss() == proto::Model::LOG_LOSS)
    logit_shift_ = static_cast<float>(std::log(job.data().negative_rate()));
}

float Evaluator::PredictionOf(float score) const { return std::clamp(score + logit_shift_, min_, max_); }

void Evaluator::Add(const Work& work, std::span<const float> scores) {
  const Minibatch& minibatch = work.minibatch;
  bad_rows_ += work.bad_rows;
  if (minibatch.ranking.kind == RankingPart::Kind::kListed) return AddShares(work);
  if (minibatch.ranking.kind != RankingPart::Kind::kNone) {
    rows_ += minibatch.ranking.relevant_end.size() + work.bad_rows;  // a user is a row
    catalogue_ranker_.Add(minibatch.ranking, minibatch.rows, scores);
    return;
  }
  rows_ += predict_ ? 0 : scores.size() + work.bad_rows;
  if (predict_) {
    AddPredictions(minibatch, scores);
  } else if (!minibatch.list_offsets.empty()) {
    AddLists(minibatch, scores);
  } else {
    AddRows(minibatch, scores);
  }
}

void Evaluator::AddPredictions(const Minibatch& minibatch, std::span<const float> scores) {
  if (minibatch.source_rows_read > scores_.size()) {
    scores_.resize(minibatch.source_rows_read, std::numeric_limits<float>::quiet_NaN());
  }
  rows_ = scores_.size();
  for (std::size_t row = 0; row < scores.size(); ++row) {
    CHECK_LT(minibatch.source_rows[row], scores_.size());
    scores_[minibatch.source_rows[row]] = PredictionOf(scores[row]);
  }
}

void Evaluator::AddLists(const Minibatch& minibatch, std::span<const float> scores) {
  const std::span<const std::uint64_t> names = minibatch.candidates;
  for (std::size_t list = 0; list + 1 < minibatch.list_offsets.size(); ++list) {
    const std::uint32_t begin = minibatch.list_offsets[list], count = minibatch.list_offsets[list + 1] - begin;
    ranker_.Add(scores.subspan(begin, count), names.subspan(begin, count));
  }
}

void Evaluator::AddRows(const Minibatch& minibatch, std::span<const float> scores) {
  for (float score : scores) scores_.push_back(PredictionOf(score));
  labels_.insert(labels_.end(), minibatch.labels.begin(), minibatch.labels.end());
  weights_.insert(weights_.end(), minibatch.weights.begin(), minibatch.weights.end());
  groups_.insert(groups_.end(), minibatch.groups.begin(), minibatch.groups.end());
}

// The lists' users have been counted when the lists were made.
void Evaluator::AddShares(const Work& work) {
  rows_ += work.bad_rows;
  scores_.insert(scores_.end(), work.scores.begin(), work.scores.end());
  share_counts_.insert(share_counts_.end(), work.share_counts.begin(), work.share_counts.end());
}

Message Evaluator::Finish(const Work& last, std::span<const proto::BadRow> kinds) {
  proto::EvalResult result;
  result.set_evaluation(last.task->evaluation());
  result.set_chunk(last.task->chunk().id());
  result.set_rows(std::exchange(rows_, 0));
  if (predict_)
    bad_rows_ = std::count_if(scores_.begin(), scores_.end(), [](float score) { return std::isnan(score); });
  result.set_bad_rows(std::exchange(bad_rows_, 0));
  if (result.bad_rows() > 0) result.mutable_bad_row()->Add(kinds.begin(), kinds.end());
  const ListSums& sums = ranker_.sums();
  if (sums.lists > 0) {
    result.set_lists(sums.lists);
    result.set_hit_sum(sums.hits);
    result.set_ndcg_sum(sums.ndcg);
    result.set_reciprocal_rank_sum(sums.reciprocal_ranks);
  }
  ranker_.Clear();
  if (judge_.quality().users() > 0) judge_.quality().Save(&result);
  judge_.Clear();
  if (!share_counts_.empty()) {
    result.mutable_share_count()->Add(share_counts_.begin(), share_counts_.end());
    share_counts_.clear();
  } else if (recommend_) {
    result.mutable_list_length()->Add(collector_.lengths.begin(), collector_.lengths.end());
    collector_.lengths.clear();
    scores_.swap(collector_.scores);
    groups_.swap(collector_.items);
  }
  Message message = MakeControl(proto::EVAL_RESULT, result);
  message.frames.push_back(TakeFrame(&scores_));
  message.frames.push_back(TakeFrame(&labels_));
  message.frames.push_back(TakeFrame(&weights_));
  message.frames.push_back(TakeFrame(&groups_));
  return message;
}

}  // namespace sherd
