#include "models/metrics/full_ranking.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace sherd {
namespace {

// The gain of a hit at `place`, from 0.
double Discount(std::size_t place) { return 1 / std::log2(static_cast<double>(place) + 2); }

double BestGain(std::size_t hits) {
  double gain = 0;
  for (std::size_t place = 0; place < hits; ++place) gain += Discount(place);
  return gain;
}

}  // namespace

std::vector<std::uint32_t> FullRankingQuality::PlacesOf(const proto::Evaluation& evaluation) {
  std::set<std::uint32_t> at = {evaluation.at()};
  at.insert(evaluation.full_ranking().also_at().begin(), evaluation.full_ranking().also_at().end());
  return {at.begin(), at.end()};
}

void FullRankingQuality::Add(std::span<const std::uint32_t> hits, std::size_t relevant) {
  ++users_;
  double gain = 0, precisions = 0;
  std::size_t found = 0;
  for (std::size_t i = 0; i < at_.size(); ++i) {
    const std::uint32_t k = at_[i];
    for (; found < hits.size() && hits[found] < k; ++found) {
      gain += Discount(hits[found]);
      precisions += static_cast<double>(found + 1) / (hits[found] + 1.0);
    }
    if (found == 0) continue;
    const auto n = static_cast<double>(found);
    const std::size_t most = std::min<std::size_t>(k, relevant);
    Sums& sums = sums_[i];
    sums.recall += n / static_cast<double>(relevant);
    sums.precision += n / k;
    sums.hit_rate += 1;
    sums.ndcg += gain / BestGain(most);
    sums.reciprocal_rank += 1 / (hits[0] + 1.0);
    sums.average_precision += precisions / static_cast<double>(most);
  }
}

void FullRankingQuality::Save(proto::EvalResult* result) const {
  result->set_users(users_);
  for (std::size_t i = 0; i < at_.size(); ++i) {
    proto::RankingAt* out = result->add_ranking();
    out->set_at(at_[i]);
    out->set_recall(sums_[i].recall);
    out->set_precision(sums_[i].precision);
    out->set_hit_rate(sums_[i].hit_rate);
    out->set_ndcg(sums_[i].ndcg);
    out->set_reciprocal_rank(sums_[i].reciprocal_rank);
    out->set_average_precision(sums_[i].average_precision);
    variety_.Save(i, out);
  }
}

void FullRankingQuality::Add(const proto::EvalResult& result) {
  users_ += result.users();
  for (const proto::RankingAt& more : result.ranking()) {
    const auto found = std::lower_bound(at_.begin(), at_.end(), more.at());
    if (found == at_.end() || *found != more.at()) continue;
    Sums& sums = sums_[found - at_.begin()];
    sums.recall += more.recall();
    sums.precision += more.precision();
    sums.hit_rate += more.hit_rate();
    sums.ndcg += more.ndcg();
    sums.reciprocal_rank += more.reciprocal_rank();
    sums.average_precision += more.average_precision();
    variety_.Add(found - at_.begin(), more);
  }
}

void FullRankingQuality::Clear() {
  users_ = 0;
  sums_.assign(at_.size(), {});
  variety_.Clear();
}

std::map<std::string, double> FullRankingQuality::Figures() const {
  std::map<std::string, double> figures;
  if (users_ == 0) return figures;
  const auto users = static_cast<double>(users_);
  for (std::size_t i = 0; i < at_.size(); ++i) {
    const std::string at = "@" + std::to_string(at_[i]);
    figures["recall" + at] = sums_[i].recall / users;
    figures["precision" + at] = sums_[i].precision / users;
    figures["hr" + at] = sums_[i].hit_rate / users;
    figures["ndcg" + at] = sums_[i].ndcg / users;
    figures["mrr" + at] = sums_[i].reciprocal_rank / users;
    figures["map" + at] = sums_[i].average_precision / users;
  }
  variety_.AddFigures(users_, &figures);
  return figures;
}

}  // namespace sherd
