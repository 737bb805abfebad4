#include "scheduler/period_figures.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "models/metrics/auc.h"

namespace sherd {

double PeriodFigures::BeginOf(Time now) const {
  const double seconds = std::chrono::duration<double>(now.time_since_epoch()).count();
  return std::floor(seconds / length_.count()) * length_.count();
}

void PeriodFigures::Add(const proto::Progress& progress, Time now) {
  if (progress.rows() == 0) return;
  if (rows_ == 0) begin_ = BeginOf(now);
  rows_ += progress.rows();
  loss_sum_ += progress.loss_sum();
  const int bins = static_cast<int>(kBins);
  for (int i = 0; i < std::min(bins, progress.positive_size()); ++i) positive_[i] += progress.positive(i);
  for (int i = 0; i < std::min(bins, progress.negative_size()); ++i) negative_[i] += progress.negative(i);
}

std::optional<PeriodReport> PeriodFigures::Finished(Time now) {
  if (rows_ == 0 || BeginOf(now) == begin_) return std::nullopt;
  return Rest();
}

std::optional<PeriodReport> PeriodFigures::Rest() {
  if (rows_ == 0) return std::nullopt;
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  const double positives = std::accumulate(positive_.begin(), positive_.end(), 0.0);
  const double counted = positives + std::accumulate(negative_.begin(), negative_.end(), 0.0);
  PeriodReport report{.begin = begin_,
                      .seconds = length_.count(),
                      .rows = rows_,
                      .loss = loss_sum_ / static_cast<double>(rows_),
                      .auc = HistogramAuc(positive_, negative_).auc.value_or(kUnknown),
                      .positive_rate = counted > 0 ? positives / counted : kUnknown};
  rows_ = 0;
  loss_sum_ = 0;
  positive_.fill(0);
  negative_.fill(0);
  return report;
}

}  // namespace sherd
