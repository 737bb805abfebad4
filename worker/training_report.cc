#include "worker/training_report.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

namespace sherd {

void TrainingReport::Lease(const proto::Task& task) {
  std::lock_guard lock(mutex_);
  if (!begun_ || task.epoch() != stand_.epoch || stand_.retired) {
    begun_ = true;
    stand_ = {.active = true,
              .epoch = task.epoch(),
              .round = task.round(),
              .next_clock = task.start_clock(),
              .acknowledged = task.start_clock()};
    tasks_.clear();
    open_tasks_ = 0;
  }
  if (task.kind() == proto::Task::TRAIN) {
    const auto [place, added] = tasks_.try_emplace(IdOf(task));
    proto::ChunkPosition& begin = place->second.pushed;
    *begin.mutable_chunk() = task.chunk();
    begin.set_first_minibatch(task.first_minibatch());
    begin.set_minibatches(task.first_minibatch());
    place->second.acknowledged = begin;
    if (task.end_minibatch() > 0) place->second.acknowledged.set_end_minibatch(task.end_minibatch());
    place->second.applied.assign(task.applied().begin(), task.applied().end());
    if (added) ++open_tasks_;
  }
  stand_.idle = open_tasks_ == 0;
}

void TrainingReport::Advance(const Work& work, proto::ChunkPosition* position) {
  position->set_minibatches(work.next_minibatch);
  if (work.ends_chunk) position->set_done(true);
  position->set_rows(position->rows() + work.minibatch.examples() + work.applied_rows);
  position->set_read_rows(position->read_rows() + work.read_rows);
  position->set_bad_rows(position->bad_rows() + work.bad_rows);
  if (work.has_rows() && work.applied_by_any()) {
    position->set_repeated_rows(position->repeated_rows() + work.minibatch.examples());
  }
}

void TrainingReport::Pushed(const Work& work) {
  std::lock_guard lock(mutex_);
  if (work.has_rows()) stand_.next_clock = work.clock + 1;
  const auto place = tasks_.find(IdOf(*work.task));
  CHECK(place != tasks_.end());
  const bool was_done = place->second.pushed.done();
  Advance(work, &place->second.pushed);
  if (work.ends_chunk && !was_done) --open_tasks_;
  stand_.idle = open_tasks_ == 0;
}

void TrainingReport::Acknowledged(const Work& work) {
  std::lock_guard lock(mutex_);
  progress_.set_read_rows(progress_.read_rows() + work.read_rows);
  progress_.set_bad_rows(progress_.bad_rows() + work.bad_rows);
  const auto place = tasks_.find(IdOf(*work.task));
  CHECK(place != tasks_.end());
  Advance(work, &place->second.acknowledged);
  place->second.moved = true;
  if (!work.has_rows()) return;
  stand_.acknowledged = work.clock + 1;
  progress_.set_rows(progress_.rows() + work.minibatch.examples());
  progress_.set_loss_sum(progress_.loss_sum() + work.loss_sum);
  if (work.absolute_error_sum > 0) {
    progress_.set_absolute_error_sum(progress_.absolute_error_sum() + work.absolute_error_sum);
  }
  progress_.set_staleness(std::max(progress_.staleness(), work.staleness));
  answers_.resize(work.push_seconds.size());
  for (std::size_t shard = 0; shard < answers_.size(); ++shard) {
    ++answers_[shard].count;
    answers_[shard].seconds += work.push_seconds[shard];
  }
  has_logits_ = true;
  for (std::size_t bin = 0; bin < kLogitBins; ++bin) {
    positive_[bin] += work.positive[bin];
    negative_[bin] += work.negative[bin];
  }
}

void TrainingReport::RetireSent() {
  std::lock_guard lock(mutex_);
  stand_.active = false;
}

void TrainingReport::Retired() {
  std::lock_guard lock(mutex_);
  stand_.retired = true;
}

void TrainingReport::Restarted(const proto::Restarted& shard) {
  std::lock_guard lock(mutex_);
  *progress_.add_restarted() = shard;
}

TrainingReport::Stand TrainingReport::stand() const {
  std::lock_guard lock(mutex_);
  return stand_;
}

proto::WorkerStand TrainingReport::Tell() const {
  std::lock_guard lock(mutex_);
  proto::WorkerStand stand;
  if (!begun_) return stand;
  stand.set_epoch(stand_.epoch);
  stand.set_round(stand_.round);
  stand.set_clock(stand_.acknowledged);
  stand.set_retired(stand_.retired);
  for (const auto& [id, position] : tasks_) {
    proto::Lease* const lease = stand.add_lease();
    *lease->mutable_position() = position.acknowledged;
    lease->mutable_applied()->Assign(position.applied.begin(), position.applied.end());
  }
  return stand;
}

std::vector<proto::ChunkPosition> TrainingReport::PushedPositions() const {
  std::lock_guard lock(mutex_);
  std::vector<proto::ChunkPosition> positions;
  for (const auto& [id, position] : tasks_) positions.push_back(position.pushed);
  return positions;
}

proto::Progress TrainingReport::Take() {
  std::lock_guard lock(mutex_);
  proto::Progress progress = std::exchange(progress_, {});
  progress.set_clock(stand_.acknowledged);
  for (auto& [id, position] : tasks_) {
    if (std::exchange(position.moved, false)) *progress.add_position() = position.acknowledged;
  }
  for (Answers& answers : answers_) {
    proto::AnswerTime* time = progress.add_shard();
    time->set_answers(std::exchange(answers.count, 0));
    time->set_seconds(std::exchange(answers.seconds, 0));
  }
  if (std::exchange(has_logits_, false)) {
    progress.mutable_positive()->Assign(positive_.begin(), positive_.end());
    progress.mutable_negative()->Assign(negative_.begin(), negative_.end());
    positive_.fill(0);
    negative_.fill(0);
  }
  return progress;
}

}  // namespace sherd
