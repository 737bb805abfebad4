#include "bench/training_turns.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

namespace sherd::bench {

std::uint64_t MinibatchesOfTurn(double seconds_a_minibatch) {
  return static_cast<std::uint64_t>(std::clamp(0.5 / seconds_a_minibatch, 4.0, 2000.0));
}

Status TrainingTurns::Run(const Floor& floor) {
  const std::uint32_t workers = options_.threads;
  ASSIGN_OR_RETURN(const std::unique_ptr<LocalJob> job, LocalJob::Start(*made_, {.workers = workers}));
  const std::uint64_t share = (made_->rows->minibatches() + workers - 1) / workers;
  ASSIGN_OR_RETURN(LocalJob::Round round, job->Train(share));
  const std::uint64_t minibatches = MinibatchesOfTurn(round.wall / static_cast<double>(share));
  const double rows = made_->rows->mean_rows() * static_cast<double>(minibatches * workers);
  (void)floor(minibatches);
  for (int turn = 0; turn < kTurns; ++turn) {
    ASSIGN_OR_RETURN(round, job->Train(minibatches));
    if (std::abs(round.rows / rows - 1) > 0.02)
      return Status::BadData("of " + std::to_string(rows) + " rows " + std::to_string(round.rows));
    ours_.push_back(round.wall / round.rows);
    cpu_.push_back(round.cpu / round.rows);
    theirs_.push_back(floor(minibatches) / rows);
  }
  loss_ = round.loss;
  if (loss_ < made_->rows->BaseLoss()) return {};
  return Status::BadData("the job has learned nothing: its loss is " + std::to_string(loss_));
}

Figure TrainingTurns::figure() const {
  const double ours = Median(ours_), theirs = Median(theirs_);
  return Figure{
      .value = 1 / ours, .unit = "rows/s", .floor = 1 / theirs, .ratio = theirs / ours, .part = {}, .fields = {}}
      .With("cpu_us_a_row", 1e6 * Median(cpu_))
      .With("workers", options_.threads)
      .With("loss", loss_)
      .With("base_loss", made_->rows->BaseLoss())
      .With("transport", "inproc")
      .With("security", "NONE");
}

}  // namespace sherd::bench
