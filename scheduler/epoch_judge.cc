#include "scheduler/epoch_judge.h"

#include <cmath>

namespace sherd {
namespace {

bool SmallerIsBetter(proto::Evaluation::Metric metric) {
  return metric == proto::Evaluation::LOG_LOSS || metric == proto::Evaluation::RMSE || metric == proto::Evaluation::MAE;
}

}  // namespace

proto::Evaluation::Metric ChooseMetric(const proto::Job& job, const Metrics& metrics) {
  if (job.evaluation().has_metric()) return job.evaluation().metric();
  if (job.evaluation().has_full_ranking()) return proto::Evaluation::NDCG;
  const auto hit_rate = MetricName(proto::Evaluation::HIT_RATE, job.evaluation().at());
  if (metrics.contains(hit_rate)) return proto::Evaluation::HIT_RATE;
  if (job.model().loss() == proto::Model::CROSS_ENTROPY) return proto::Evaluation::ACCURACY;
  return job.model().loss() == proto::Model::SQUARED_ERROR ? proto::Evaluation::RMSE : proto::Evaluation::AUC;
}

std::string MetricName(proto::Evaluation::Metric metric, std::uint32_t at) {
  switch (metric) {
    case proto::Evaluation::AUC:
      return "auc";
    case proto::Evaluation::LOG_LOSS:
      return "log_loss";
    case proto::Evaluation::ACCURACY:
      return "accuracy";
    case proto::Evaluation::RMSE:
      return "rmse";
    case proto::Evaluation::MAE:
      return "mae";
    case proto::Evaluation::HIT_RATE:
      return "hr@" + std::to_string(at);
    case proto::Evaluation::NDCG:
      return "ndcg@" + std::to_string(at);
    case proto::Evaluation::RECALL:
      return "recall@" + std::to_string(at);
    case proto::Evaluation::PRECISION:
      return "precision@" + std::to_string(at);
    case proto::Evaluation::MRR:
      return "mrr@" + std::to_string(at);
    case proto::Evaluation::MAP:
      return "map@" + std::to_string(at);
  }
  return "unknown";
}

EpochJudge::EpochJudge(const proto::Job& job, const proto::JobState& state)
    : job_(&job),
      best_epoch_(state.best_epoch()),
      epochs_without_gain_(state.epochs_without_gain()),
      plateau_epochs_(state.plateau_epochs()),
      learning_rate_scale_(state.has_learning_rate_scale() ? state.learning_rate_scale() : 1) {
  if (state.has_best_metric()) best_ = state.best_metric();
}

Verdict EpochJudge::Judge(std::uint32_t epoch, const Metrics& metrics) {
  const proto::Evaluation::Metric metric = ChooseMetric(*job_, metrics);
  const auto found = metrics.find(MetricName(metric, job_->evaluation().at()));
  const bool known = found != metrics.end() && std::isfinite(found->second);
  Verdict verdict;
  verdict.best = known && (!best_ || (SmallerIsBetter(metric) ? found->second < *best_ : found->second > *best_));
  if (verdict.best) {
    best_ = found->second;
    best_epoch_ = epoch;
    epochs_without_gain_ = plateau_epochs_ = 0;
    return verdict;
  }
  ++epochs_without_gain_;
  ++plateau_epochs_;
  const auto& rate = job_->train().learning_rate();
  if (rate.plateau_factor() < 1 && plateau_epochs_ >= rate.plateau_patience()) {
    learning_rate_scale_ *= rate.plateau_factor();
    plateau_epochs_ = 0;
    verdict.slower = true;
  }
  const std::uint32_t patience = job_->evaluation().patience();
  verdict.stop = patience > 0 && epochs_without_gain_ >= patience;
  return verdict;
}

void EpochJudge::Save(proto::JobState* state) const {
  if (best_) state->set_best_metric(*best_);
  state->set_best_epoch(best_epoch_);
  state->set_epochs_without_gain(epochs_without_gain_);
  state->set_plateau_epochs(plateau_epochs_);
  state->set_learning_rate_scale(learning_rate_scale_);
}

}  // namespace sherd
