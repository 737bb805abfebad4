// Figures with their uncertainty, and two checkpoints side by side.
#include <algorithm>
#include <utility>

#include "scheduler/scheduler_impl.h"

namespace sherd {
namespace {

// Rows that the samples of an evaluation may visit in all: a fraction of a second, in which nobody is served.
constexpr std::uint64_t kRowVisits = 200'000'000;
constexpr std::uint32_t kFewestSamples = 100, kUsualSamples = 1000;

}  // namespace

bool Scheduler::Impl::KeepsRows() const {
  const proto::Evaluation& evaluation = options_.job.evaluation();
  return options_.mode == SchedulerOptions::Mode::kEvaluate &&
         (evaluation.calibration_buckets() > 0 || evaluation.bootstrap() > 0 || !options_.against.empty());
}

void Scheduler::Impl::KeepRows(std::span<const float> scores, std::span<const float> labels,
                               std::span<const float> weights, std::span<const std::uint64_t> groups) {
  if (!kept_rows_) return;
  kept_rows_->Add(scores, labels, weights, groups);
  if (kept_rows_->rows() <= options_.job.evaluation().exact_auc_rows()) return;
  kept_rows_.reset();
  observer_->OnMessage("more rows than evaluation.exact_auc_rows: no intervals, calibration table or comparison");
}

// As many samples as are asked for and there is time for; 0 where those would be too few.
std::uint32_t Scheduler::Impl::Samples(std::uint32_t wanted) {
  const std::uint64_t visits = std::max<std::uint64_t>(1, kept_rows_->rows() + kept_rows_->groups());
  const auto samples = static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, kRowVisits / visits));
  if (samples == wanted) return samples;
  const bool enough = samples >= kFewestSamples;
  observer_->OnMessage((enough ? std::to_string(samples) + " samples" : "no samples") + " in place of " +
                       std::to_string(wanted) + ": the set has " + std::to_string(kept_rows_->rows()) + " rows");
  return enough ? samples : 0;
}

void Scheduler::Impl::TellUncertainty(EvaluationReport* report) {
  if (!kept_rows_) return;
  kept_rows_->Sort();
  const proto::Evaluation& evaluation = options_.job.evaluation();
  if (const std::uint32_t wanted = evaluation.bootstrap(); wanted > 0) {
    if (const std::uint32_t samples = Samples(wanted)) report->intervals = BootstrapIntervals(*kept_rows_, samples);
  }
  if (options_.job.model().loss() == proto::Model::LOG_LOSS) {
    report->calibration = CalibrationTable(kept_rows_->scored(), evaluation.calibration_buckets());
  }
}

Status Scheduler::Impl::EvaluateOnly() {
  DoneReport done;
  std::map<proto::Chunk::Set, EvaluatedRows> rows;
  for (const auto set : {proto::Chunk::EVAL, proto::Chunk::TEST}) {
    if (!chunks_->Has(set)) continue;
    ASSIGN_OR_RETURN(const EvaluationReport report, Evaluate(set, 0));
    observer_->OnEvaluation(report);
    if (kept_rows_) rows.emplace(set, std::move(*kept_rows_));
    done.rows += report.rows;
    done.seconds += report.seconds;
    (set == proto::Chunk::TEST ? done.test : done.eval) = report.metrics;
  }
  if (done.eval.empty() && done.test.empty()) {
    return Status::Invalid("the job has neither test nor eval data to evaluate");
  }
  if (!options_.against.empty()) RETURN_IF_ERROR(Compare(rows));
  Done(std::move(done));
  return {};
}

Status Scheduler::Impl::Compare(const std::map<proto::Chunk::Set, EvaluatedRows>& rows) {
  RETURN_IF_ERROR(LoadAll(options_.against));
  const std::uint32_t asked = options_.job.evaluation().bootstrap();
  for (const auto& [set, first] : rows) {
    ASSIGN_OR_RETURN(const EvaluationReport other, Evaluate(set, 0));
    if (!kept_rows_) continue;  // it has been said why
    const std::uint32_t samples = Samples(asked > 0 ? asked : kUsualSamples);
    if (samples == 0) continue;
    ComparisonReport report{
        .set = set, .against = options_.against, .metrics = other.metrics, .groups = first.groups(), .differences = {}};
    ASSIGN_OR_RETURN(report.differences, ComparePaired(first, *kept_rows_, samples));
    observer_->OnComparison(report);
  }
  return {};
}

}  // namespace sherd
