#include "models/metrics/auc.h"

#include <algorithm>

namespace sherd {
namespace {

// Takes rows' weights in ascending order of score; Close() ends a run of equal scores.
class PairSweep {
 public:
  void Add(const ScoredRow& row, double times = 1) {
    (row.positive() ? tied_positive_ : tied_negative_) += row.weight() * times;
  }

  void Close() {
    area_ += tied_positive_ * (negative_ + 0.5 * tied_negative_);
    positive_ += tied_positive_;
    negative_ += tied_negative_;
    tied_positive_ = tied_negative_ = 0;
  }

  PairSums sums() const { return {area_, positive_ * negative_}; }

 private:
  double area_ = 0, positive_ = 0, negative_ = 0;
  double tied_positive_ = 0, tied_negative_ = 0;
};

}  // namespace

PairSums ExactAuc(std::span<ScoredRow> rows) {
  std::sort(rows.begin(), rows.end(), [](const ScoredRow& a, const ScoredRow& b) { return a.score < b.score; });
  PairSweep sweep;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    sweep.Add(rows[i]);
    if (i + 1 == rows.size() || rows[i + 1].score != rows[i].score) sweep.Close();
  }
  return sweep.sums();
}

void VisitGroups(std::span<GroupedRow> rows, const std::function<void(std::uint64_t, PairSums, double)>& visit) {
  std::sort(rows.begin(), rows.end(), [](const GroupedRow& a, const GroupedRow& b) {
    return a.group != b.group ? a.group < b.group : a.row.score < b.row.score;
  });
  PairSweep sweep;
  double weight = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    sweep.Add(rows[i].row);
    weight += rows[i].row.weight();
    const bool group_ends = i + 1 == rows.size() || rows[i + 1].group != rows[i].group;
    if (group_ends || rows[i + 1].row.score != rows[i].row.score) sweep.Close();
    if (!group_ends) continue;
    visit(rows[i].group, sweep.sums(), weight);
    sweep = {};
    weight = 0;
  }
}

PairSums GroupAuc(std::span<GroupedRow> rows) {
  PairSums total;
  VisitGroups(rows, [&](std::uint64_t, PairSums sums, double) {
    total.area += sums.area;
    total.pairs += sums.pairs;
  });
  return total;
}

std::optional<double> MeanGroupAuc(std::span<GroupedRow> rows) {
  double sum = 0, total = 0;
  VisitGroups(rows, [&](std::uint64_t, PairSums sums, double weight) {
    if (sums.pairs <= 0) return;
    sum += weight * (sums.area / sums.pairs);
    total += weight;
  });
  return total > 0 ? std::optional(sum / total) : std::nullopt;
}

PairSums SampledAuc(std::span<const ScoredRow> sorted, std::span<const std::uint32_t> group,
                    std::span<const std::uint32_t> multiplicity) {
  PairSweep sweep;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    sweep.Add(sorted[i], multiplicity[group[i]]);
    if (i + 1 == sorted.size() || sorted[i + 1].score != sorted[i].score) sweep.Close();
  }
  return sweep.sums();
}

BoundedAuc HistogramAuc(std::span<const double> positive, std::span<const double> negative) {
  double area = 0, unsure = 0, positives = 0, negatives = 0;
  for (std::size_t i = 0; i < positive.size(); ++i) {
    area += positive[i] * (negatives + 0.5 * negative[i]);
    unsure += 0.5 * positive[i] * negative[i];
    positives += positive[i];
    negatives += negative[i];
  }
  const double pairs = positives * negatives;
  if (pairs <= 0) return {};
  return {area / pairs, unsure / pairs};
}

void LogitHistogram::Add(const ScoredRow& row) {
  const double bins = static_cast<double>(positive_.size());
  const double place = std::floor((row.score + limit_) / (2 * limit_) * bins);
  const auto bin = static_cast<std::size_t>(std::clamp(place, 0.0, bins - 1));
  (row.positive() ? positive_ : negative_)[bin] += row.weight();
}

}  // namespace sherd
