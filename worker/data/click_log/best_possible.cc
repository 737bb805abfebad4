#include "worker/data/click_log/best_possible.h"

#include <algorithm>

#include "worker/data/click_log/portable_math.h"

namespace sherd {
namespace {

constexpr std::size_t kBins = 1 << 20;

// The share of pairs of a positive and a negative in which the positive has the higher bin, half where both have one.
class AreaUnderCurve {
 public:
  void Add(double positives, double negatives) {  // of the next higher bin
    pairs_ += positives * (negatives_ + .5 * negatives);
    positives_ += positives;
    negatives_ += negatives;
  }
  double value() const { return pairs_ / (positives_ * negatives_); }

 private:
  double pairs_ = 0, positives_ = 0, negatives_ = 0;
};

}  // namespace

void BlockFigures::Set(std::span<const ClickRow> block) {
  rows = block.size();
  clicks = 0;
  loss = entropy = 0;
  probabilities.clear();
  clicked.clear();
  for (const ClickRow& row : block) {
    const double p = row.probability;
    const double of_click = -PortableLog(p), of_none = -PortableLog(1 - p);
    loss += row.click ? of_click : of_none;
    entropy += p * of_click + (1 - p) * of_none;
    clicks += row.click;
    probabilities.push_back(static_cast<float>(p));
    clicked.push_back(row.click);
  }
}

BestPossible::BestPossible() : bins_(kBins) {}

void BestPossible::Add(const BlockFigures& block) {
  rows_ += block.rows;
  clicks_ += block.clicks;
  loss_ += block.loss;
  entropy_ += block.entropy;
  for (std::size_t i = 0; i < block.probabilities.size(); ++i) {
    const double p = block.probabilities[i];
    Bin& bin = bins_[std::min(kBins - 1, static_cast<std::size_t>(p * kBins))];
    bin.probability += p;
    bin.complement += 1 - p;
    ++(block.clicked[i] ? bin.clicks : bin.others);
  }
}

BestFigures BestPossible::figures() const {
  AreaUnderCurve real, expected;
  for (const Bin& bin : bins_) {
    real.Add(static_cast<double>(bin.clicks), static_cast<double>(bin.others));
    expected.Add(bin.probability, bin.complement);
  }
  const auto rows = static_cast<double>(rows_);
  return {.rows = rows_,
          .click_rate = static_cast<double>(clicks_) / rows,
          .auc = real.value(),
          .log_loss = loss_ / rows,
          .expected_auc = expected.value(),
          .expected_log_loss = entropy_ / rows};
}

}  // namespace sherd
