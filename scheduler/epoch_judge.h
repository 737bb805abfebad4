#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "proto/checkpoint.pb.h"
#include "proto/job.pb.h"
#include "scheduler/observer.h"

namespace sherd {

// The metric that epochs are judged by: the job's, else NDCG with full ranking, HIT_RATE when the figures are
// of candidate lists, RMSE for squared error, AUC.
proto::Evaluation::Metric ChooseMetric(const proto::Job& job, const Metrics& metrics);
// Its name among the figures: "auc", "hr@10".
std::string MetricName(proto::Evaluation::Metric metric, std::uint32_t at);

struct Verdict {
  bool best = false;    // the best epoch so far
  bool stop = false;    // evaluation.patience epochs without a gain
  bool slower = false;  // the learning rate has just been lowered
};

// Best epoch, early stopping and the plateau schedule. Epochs count from 1. Thread-compatible.
class EpochJudge {
 public:
  // Goes on from `state` (an empty one: from nothing).
  EpochJudge(const proto::Job& job, const proto::JobState& state);

  // The figures of the evaluation at an epoch's end. A metric that is absent or not a number is no gain.
  Verdict Judge(std::uint32_t epoch, const Metrics& metrics);
  void Save(proto::JobState* state) const;

  std::uint32_t best_epoch() const { return best_epoch_; }  // 0: none yet
  double learning_rate_scale() const { return learning_rate_scale_; }

 private:
  const proto::Job* job_;
  std::optional<double> best_;
  std::uint32_t best_epoch_ = 0;
  std::uint32_t epochs_without_gain_ = 0;
  std::uint32_t plateau_epochs_ = 0;  // without a gain since the rate was last changed
  double learning_rate_scale_ = 1;
};

}  // namespace sherd
