#include "models/metrics/quality.h"

#include <cmath>

#include "base/status.h"

namespace sherd {
namespace {

// 4 MB; bins of 2.4e-4 in logit.
constexpr std::size_t kHistogramBins = 1 << 18;
constexpr double kHistogramLimit = 32;

}  // namespace

void RankingSums::Add(std::uint32_t rank, std::uint32_t at) {
  ++lists;
  reciprocal_rank += 1.0 / rank;
  if (rank > at) return;
  hit += 1;
  ndcg += std::log(2.0) / std::log(1.0 + rank);
}

RankingSums& RankingSums::operator+=(const RankingSums& other) {
  lists += other.lists;
  hit += other.hit;
  ndcg += other.ndcg;
  reciprocal_rank += other.reciprocal_rank;
  return *this;
}

double SoftPlus(double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }

double Sigmoid(double x) {
  const double e = std::exp(-std::fabs(x));
  return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

void Quality::Add(std::span<const float> scores, std::span<const float> labels, std::span<const float> weights,
                  std::span<const std::uint64_t> groups) {
  CHECK_EQ(scores.size(), labels.size());
  CHECK(weights.empty() || weights.size() == scores.size());
  CHECK(groups.empty() || groups.size() == scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const float weight = weights.empty() ? 1.0f : weights[i];
    if (!std::isfinite(scores[i]) || !std::isfinite(labels[i]) || !std::isfinite(weight) || weight < 0) {
      ++not_finite_;
      continue;
    }
    AddRow(scores[i], labels[i], weight);
    const ScoredRow row = ScoredRow::Of(scores[i], labels[i] > 0.5f, weight);
    if (!groups.empty() && histogram_.empty()) grouped_.push_back({groups[i], row});
    KeepForAuc(row);
  }
}

void Quality::AddRow(float score, float label, float weight) {
  const double x = score, y = label, w = weight;
  ++rows_;
  weight_ += w;
  observed_ += w * y;
  if (label != 0 && label != 1) binary_ = false;
  double prediction = x;
  if (options_.loss == proto::Model::LOG_LOSS) {
    prediction = Sigmoid(x);
    log_loss_ += w * (SoftPlus(x) - x * y);
    if ((x > 0) == (y > 0.5)) correct_ += w;
  }
  if (options_.loss == proto::Model::CROSS_ENTROPY && x == y) correct_ += w;
  predicted_ += w * prediction;
  squared_error_ += w * (prediction - y) * (prediction - y);
  absolute_error_ += w * std::fabs(prediction - y);
}

void Quality::KeepForAuc(ScoredRow row) {
  if (histogram_.empty() && scored_.size() >= options_.exact_auc_rows) GoOverToHistogram();
  if (histogram_.empty()) {
    scored_.push_back(row);
  } else {
    histogram_.front().Add(row);
  }
}

void Quality::GoOverToHistogram() {
  histogram_.emplace_back(kHistogramBins, kHistogramLimit);
  for (const ScoredRow& row : scored_) histogram_.front().Add(row);
  scored_ = {};
  grouped_ = {};
}

void Quality::ClassFigures(std::map<std::string, double>* figures) {
  if (histogram_.empty()) {
    if (const auto auc = ExactAuc(scored_).Auc()) (*figures)["auc"] = *auc;
  } else if (const BoundedAuc bounded = histogram_.front().Auc(); bounded.auc) {
    (*figures)["auc"] = *bounded.auc;
    (*figures)["auc_error"] = bounded.error;
  }
  if (const auto auc = GroupAuc(grouped_).Auc()) (*figures)["group_auc"] = *auc;
  if (const auto auc = MeanGroupAuc(grouped_)) (*figures)["gauc"] = *auc;
}

std::map<std::string, double> Quality::Figures() {
  std::map<std::string, double> figures;
  if (weight_ > 0 && options_.loss == proto::Model::CROSS_ENTROPY) {
    figures["accuracy"] = correct_ / weight_;
  } else if (weight_ > 0) {
    figures["rmse"] = std::sqrt(squared_error_ / weight_);
    if (options_.loss == proto::Model::SQUARED_ERROR) figures["mae"] = absolute_error_ / weight_;
    if (options_.loss == proto::Model::LOG_LOSS) {
      figures["log_loss"] = log_loss_ / weight_;
      figures["accuracy"] = correct_ / weight_;
      if (observed_ > 0) figures["calibration"] = predicted_ / observed_;
    }
    if (binary_) ClassFigures(&figures);
  }
  if (ranking_.lists > 0) {
    const auto lists = static_cast<double>(ranking_.lists);
    const std::string at = "@" + std::to_string(options_.at);
    figures["hr" + at] = ranking_.hit / lists;
    figures["ndcg" + at] = ranking_.ndcg / lists;
    figures["mrr"] = ranking_.reciprocal_rank / lists;
  }
  figures.merge(full_ranking_.Figures());
  return figures;
}

}  // namespace sherd
