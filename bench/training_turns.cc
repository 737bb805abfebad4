#include "bench/training_turns.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace sherd::bench {
namespace {

constexpr double kTurnSeconds = 0.5;
constexpr double kWarmSeconds = 3;  // what a rival does before it is at its pace

double Quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

}  // namespace

std::uint64_t MinibatchesOfTurn(double seconds_a_minibatch) {
  return static_cast<std::uint64_t>(std::clamp(kTurnSeconds / seconds_a_minibatch, 4.0, 2000.0));
}

Status TrainingTurns::StartRivals() {
  for (const std::string& command : options_.against) {
    Rival& rival = rivals_.emplace_back();
    ASSIGN_OR_RETURN(rival.process, TurnProcess::Start(command));
  }
  for (Rival& rival : rivals_) RETURN_IF_ERROR(rival.process->Run(kWarmSeconds).status());
  return {};
}

Status TrainingTurns::Run(const Floor& floor) {
  RETURN_IF_ERROR(StartRivals());
  const std::uint32_t workers = options_.threads;
  ASSIGN_OR_RETURN(const std::unique_ptr<LocalJob> job, LocalJob::Start(*made_, {.workers = workers}));
  const std::uint64_t share = (made_->rows->minibatches() + workers - 1) / workers;
  ASSIGN_OR_RETURN(LocalJob::Round round, job->Train(share));
  const std::uint64_t minibatches = MinibatchesOfTurn(round.wall / static_cast<double>(share));
  const double rows = made_->rows->mean_rows() * static_cast<double>(minibatches * workers);
  (void)floor(minibatches);
  for (std::uint64_t turn = 0; turn < options_.turns_or(kTurns); ++turn) {
    ASSIGN_OR_RETURN(round, job->Train(minibatches));
    if (std::abs(round.rows / rows - 1) > 0.02)
      return Status::BadData("of " + std::to_string(rows) + " rows " + std::to_string(round.rows));
    ours_.push_back(round.wall / round.rows);
    cpu_.push_back(round.cpu / round.rows);
    theirs_.push_back(floor(minibatches) / rows);
    for (Rival& rival : rivals_) {
      ASSIGN_OR_RETURN(const TurnProcess::Turn done, rival.process->Run(kTurnSeconds));
      rival.wall.push_back(done.seconds / done.units);
      rival.cpu.push_back(done.cpu_seconds / done.units);
    }
  }
  loss_ = round.loss;
  if (loss_ < made_->rows->BaseLoss()) return {};
  return Status::BadData("the job has learned nothing: its loss is " + std::to_string(loss_));
}

Figure TrainingTurns::figure() const {
  const double ours = Median(ours_), theirs = Median(theirs_);
  Figure figure{
      .value = 1 / ours, .unit = "rows/s", .floor = 1 / theirs, .ratio = theirs / ours, .part = {}, .fields = {}};
  figure.With("cpu_us_a_row", 1e6 * Median(cpu_))
      .With("workers", options_.threads)
      .With("loss", loss_)
      .With("base_loss", made_->rows->BaseLoss())
      .With("transport", "inproc")
      .With("security", "NONE");
  if (!rivals_.empty()) AddRival(&figure);
  return figure;
}

void TrainingTurns::AddRival(Figure* figure) const {
  const auto slower = [](const Rival& a, const Rival& b) { return Median(a.wall) > Median(b.wall); };
  const auto fastest = std::max_element(rivals_.begin(), rivals_.end(), slower);
  std::vector<double> ratios, cpu_ratios;
  for (std::size_t turn = 0; turn < ours_.size(); ++turn) {
    ratios.push_back(fastest->wall[turn] / ours_[turn]);
    cpu_ratios.push_back(fastest->cpu[turn] / cpu_[turn]);
  }
  figure->With("against", static_cast<double>(fastest - rivals_.begin()))
      .With("against_rows", 1 / Median(fastest->wall))
      .With("against_ratio", Median(ratios))
      .With("against_ratio_low", Quantile(ratios, 0.25))
      .With("against_ratio_high", Quantile(ratios, 0.75))
      .With("against_cpu_ratio", Median(cpu_ratios));
}

}  // namespace sherd::bench
