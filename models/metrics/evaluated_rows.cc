#include "models/metrics/evaluated_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/hash.h"
#include "models/metrics/quality.h"

namespace sherd {

void EvaluatedRows::Add(std::span<const float> scores, std::span<const float> labels, std::span<const float> weights,
                        std::span<const std::uint64_t> groups) {
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const float weight = weights.empty() ? 1.0f : weights[i];
    if (!std::isfinite(scores[i]) || !std::isfinite(labels[i]) || !std::isfinite(weight) || weight < 0) continue;
    named_groups_ |= !groups.empty();
    AddRow(scores[i], labels[i], weight, groups.empty() ? NumberOf(rows_.size()) : NumberOf(groups[i]));
  }
}

std::uint32_t EvaluatedRows::NumberOf(std::uint64_t group) {
  const auto [place, added] = numbers_.emplace(group, static_cast<std::uint32_t>(sums_.size()));
  if (added) sums_.emplace_back();
  return place->second;
}

void EvaluatedRows::AddRow(float score, float label, float weight, std::uint32_t group) {
  const double x = score, y = label, w = weight;
  const bool clicks = loss_ == proto::Model::LOG_LOSS;
  const double prediction = clicks ? Sigmoid(x) : x;
  Sums& sums = sums_[group];
  sums.weight += w;
  sums.predicted += w * prediction;
  sums.observed += w * y;
  sums.squared_error += w * (prediction - y) * (prediction - y);
  sums.absolute_error += w * std::fabs(prediction - y);
  if (clicks) {
    sums.log_loss += w * (SoftPlus(x) - x * y);
    if ((x > 0) == (y > 0.5)) sums.correct += w;
  }
  binary_ &= label == 0 || label == 1;
  rows_.push_back(ScoredRow::Of(score, label > 0.5f, weight));
  group_.push_back(group);
  fingerprint_ = Mix(fingerprint_, group, std::bit_cast<std::uint32_t>(label), std::bit_cast<std::uint32_t>(weight));
}

void EvaluatedRows::Sort() {
  std::vector<std::uint32_t> order(rows_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return rows_[a].score < rows_[b].score; });
  std::vector<ScoredRow> rows(rows_.size());
  std::vector<std::uint32_t> group(rows_.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    rows[i] = rows_[order[i]];
    group[i] = group_[order[i]];
  }
  rows_ = std::move(rows);
  group_ = std::move(group);
  if (named_groups_ && binary_) SumGroupAucs();
}

void EvaluatedRows::SumGroupAucs() {
  std::vector<GroupedRow> grouped(rows_.size());
  for (std::size_t i = 0; i < rows_.size(); ++i) grouped[i] = {group_[i], rows_[i]};
  VisitGroups(grouped, [&](std::uint64_t group, PairSums pairs, double weight) {
    if (pairs.pairs <= 0) return;
    sums_[group].auc = pairs.area / pairs.pairs;
    sums_[group].auc_weight = weight;
  });
}

std::map<std::string, double> EvaluatedRows::Figures(std::span<const std::uint32_t> multiplicity) const {
  Sums total;
  for (std::size_t g = 0; g < sums_.size(); ++g) {
    const Sums& sums = sums_[g];
    const double times = multiplicity[g];
    total.weight += times * sums.weight;
    total.log_loss += times * sums.log_loss;
    total.correct += times * sums.correct;
    total.predicted += times * sums.predicted;
    total.observed += times * sums.observed;
    total.squared_error += times * sums.squared_error;
    total.absolute_error += times * sums.absolute_error;
    total.auc += times * sums.auc * sums.auc_weight;
    total.auc_weight += times * sums.auc_weight;
  }
  std::map<std::string, double> figures;
  if (total.weight <= 0) return figures;
  figures["rmse"] = std::sqrt(total.squared_error / total.weight);
  if (loss_ != proto::Model::LOG_LOSS) {
    figures["mae"] = total.absolute_error / total.weight;
    return figures;
  }
  figures["log_loss"] = total.log_loss / total.weight;
  figures["accuracy"] = total.correct / total.weight;
  if (total.observed > 0) figures["calibration"] = total.predicted / total.observed;
  if (total.auc_weight > 0) figures["gauc"] = total.auc / total.auc_weight;
  if (const auto auc = binary_ ? SampledAuc(rows_, group_, multiplicity).Auc() : std::nullopt) figures["auc"] = *auc;
  return figures;
}

}  // namespace sherd
