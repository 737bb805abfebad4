#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "net/mailbox.h"
#include "proto/wire.pb.h"
#include "scheduler/observer.h"
#include "scheduler/rank_times.h"
#include "scheduler/stage_times.h"

namespace sherd {

// The figures of the last seconds of training over all workers: pace, loss and AUC of rows before they were trained on.
// Thread-compatible.
class ProgressMeter {
 public:
  static constexpr std::size_t kBins = 256;  // of each report's histograms: logits over [-8, 8]
  static constexpr std::chrono::milliseconds kWindow{5000};
  static constexpr std::chrono::milliseconds kStep{250};

  // Training goes on from here: what was before says nothing about the pace.
  void Start(Deadline now);
  // Invalid: a histogram of another size, or a loss that is not a number.
  Status Add(std::uint32_t worker, const proto::Progress& progress, Deadline now);
  // Fills rows_per_second, loss, auc, rmse, mae, staleness, stages and slow. Figures are NaN as long as there are no
  // rows to tell them.
  void Report(Deadline now, ProgressReport* report) const;

 private:
  struct Step {
    Deadline begin;
    std::uint64_t rows = 0, staleness = 0;
    double loss_sum = 0, absolute_error_sum = 0;
    std::array<std::uint64_t, kBins> positive{}, negative{};
    StageTimes stages;
    RankTimes ranks;
  };

  Deadline start_;
  std::deque<Step> steps_;  // the last kWindow, oldest first
};

}  // namespace sherd
