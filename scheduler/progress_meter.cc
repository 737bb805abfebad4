#include "scheduler/progress_meter.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/metrics/auc.h"

namespace sherd {
namespace {

bool Fits(int size) { return size == 0 || size == static_cast<int>(ProgressMeter::kBins); }

}  // namespace

void ProgressMeter::Start(Deadline now) {
  start_ = now;
  steps_.clear();
}

Status ProgressMeter::Add(std::uint32_t worker, const proto::Progress& progress, Deadline now) {
  if (!Fits(progress.positive_size()) || !Fits(progress.negative_size())) {
    return Status::Invalid("progress: a histogram of " + std::to_string(progress.positive_size()) + " and " +
                           std::to_string(progress.negative_size()) + " bins");
  }
  if (!std::isfinite(progress.loss_sum()) || !std::isfinite(progress.absolute_error_sum()))
    return Status::Invalid("progress: the loss is not a number");
  if (steps_.empty() || now - steps_.back().begin >= kStep) {
    steps_.emplace_back().begin = now;
    while (now - steps_.front().begin > kWindow) steps_.pop_front();
  }
  Step& step = steps_.back();
  step.rows += progress.rows();
  step.loss_sum += progress.loss_sum();
  step.absolute_error_sum += progress.absolute_error_sum();
  step.staleness = std::max(step.staleness, progress.staleness());
  for (int i = 0; i < progress.positive_size(); ++i) step.positive[i] += progress.positive(i);
  for (int i = 0; i < progress.negative_size(); ++i) step.negative[i] += progress.negative(i);
  step.stages.Add(progress.stage());
  step.ranks.Add(worker, progress);
  return {};
}

void ProgressMeter::Report(Deadline now, ProgressReport* report) const {
  std::uint64_t rows = 0, recent_rows = 0;
  double loss_sum = 0, absolute_error_sum = 0;
  std::array<double, kBins> positive{}, negative{};
  report->staleness = 0;
  StageTimes stages;
  RankTimes ranks;
  for (const Step& step : steps_) {
    const bool recent = now - step.begin <= kWindow;
    // Where a minibatch takes longer than the window, the last one still has its loss, though no pace.
    if (!recent && &step != &steps_.back()) continue;
    if (recent) recent_rows += step.rows;
    rows += step.rows;
    loss_sum += step.loss_sum;
    absolute_error_sum += step.absolute_error_sum;
    report->staleness = std::max(report->staleness, step.staleness);
    stages.Add(step.stages);
    if (recent) ranks.Add(step.ranks);
    for (std::size_t i = 0; i < kBins; ++i) {
      positive[i] += static_cast<double>(step.positive[i]);
      negative[i] += static_cast<double>(step.negative[i]);
    }
  }
  const Clock::duration span = std::min<Clock::duration>(now - start_, kWindow);
  const double seconds = std::max(std::chrono::duration<double>(span).count(), 1e-3);
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  report->stages = stages.Report();
  report->slow = ranks.Report();
  report->rows_per_second = static_cast<double>(recent_rows) / seconds;
  report->loss = rows > 0 ? loss_sum / static_cast<double>(rows) : kUnknown;
  report->auc = HistogramAuc(positive, negative).auc.value_or(kUnknown);
  const bool numbers = absolute_error_sum > 0;
  report->rmse = numbers ? std::sqrt(report->loss) : kUnknown;
  report->mae = numbers ? absolute_error_sum / static_cast<double>(rows) : kUnknown;
}

}  // namespace sherd
