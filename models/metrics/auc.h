#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace sherd {

// The area under the ROC curve: the probability that a positive row scores above a negative one, ties counting half,
// each pair weighted by the product of its rows' weights.

// A row as AUC sees it. The sign of `signed_weight` (also of a zero) says the class: +w a positive, -w a negative.
struct ScoredRow {
  float score = 0;
  float signed_weight = 0;

  static ScoredRow Of(float score, bool positive, float weight) { return {score, positive ? weight : -weight}; }
  bool positive() const { return !std::signbit(signed_weight); }
  double weight() const { return std::fabs(signed_weight); }
};

struct GroupedRow {
  std::uint64_t group = 0;
  ScoredRow row;
};

// An AUC is `area` / `pairs`, both in units of weight squared: so the AUCs of groups can be averaged by their pairs.
struct PairSums {
  double area = 0;
  double pairs = 0;

  // Nothing when there is no pair to compare.
  std::optional<double> Auc() const { return pairs > 0 ? std::optional(area / pairs) : std::nullopt; }
};

// Exact, O(n log n); sorts `rows` by score. Scores must not be NaN. The result depends on the rows' order only by
// rounding.
PairSums ExactAuc(std::span<ScoredRow> rows);

// Of all groups together, only pairs within a group compared: sum of area over sum of pairs is the mean of the groups'
// AUCs weighted by positives x negatives. Sorts `rows`.
PairSums GroupAuc(std::span<GroupedRow> rows);
// GAUC (Zhu et al. 2017): the mean of the groups' AUCs weighted by the weight of their rows, over the groups that have
// a pair. Nothing when none has. Sorts `rows`.
std::optional<double> MeanGroupAuc(std::span<GroupedRow> rows);
// Calls visit(group, its AUC's sums, the weight of its rows) for each group, ascending. Sorts `rows`.
void VisitGroups(std::span<GroupedRow> rows, const std::function<void(std::uint64_t, PairSums, double)>& visit);

// AUC with each row counted as often as its group: multiplicity[group[i]] times row i. `sorted` ascends by score.
PairSums SampledAuc(std::span<const ScoredRow> sorted, std::span<const std::uint32_t> group,
                    std::span<const std::uint32_t> multiplicity);

struct BoundedAuc {
  std::optional<double> auc;
  double error = 0;  // the exact value differs by at most this
};

// Pairs within a bin count half, which is wrong by at most half of their number.
BoundedAuc HistogramAuc(std::span<const double> positive, std::span<const double> negative);

// Weights of positive and negative rows by logit, in equal bins over [-limit, limit]; the outermost also hold all
// beyond. Thread-compatible.
class LogitHistogram {
 public:
  LogitHistogram(std::size_t bins, double limit) : limit_(limit), positive_(bins), negative_(bins) {}

  void Add(const ScoredRow& row);
  BoundedAuc Auc() const { return HistogramAuc(positive_, negative_); }

 private:
  const double limit_;
  std::vector<double> positive_, negative_;
};

}  // namespace sherd
