#include "worker/training_report.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

namespace sherd {

void TrainingReport::Lease(const proto::Task& task) {
  std::lock_guard lock(mutex_);
  if (!begun_ || task.epoch() != stand_.epoch || stand_.retired) {
    begun_ = true;
    stand_ = {
        .active = true, .epoch = task.epoch(), .next_clock = task.start_clock(), .acknowledged = task.start_clock()};
    chunks_.clear();
    open_chunks_ = 0;
  }
  if (task.kind() == proto::Task::TRAIN) {
    const auto [place, added] = chunks_.try_emplace(task.chunk().id());
    place->second.chunk = task.chunk();
    place->second.pushed = place->second.acknowledged = task.first_minibatch();
    if (added) ++open_chunks_;
  }
  stand_.idle = open_chunks_ == 0;
}

void TrainingReport::Pushed(const Work& work) {
  std::lock_guard lock(mutex_);
  if (work.has_rows()) stand_.next_clock = work.clock + 1;
  const auto place = chunks_.find(work.task->chunk().id());
  CHECK(place != chunks_.end());
  Position& position = place->second;
  if (work.has_rows()) {
    position.pushed = work.minibatch.index + 1;
    stand_.pushed_rows += work.minibatch.rows;
  }
  if (work.ends_chunk && !std::exchange(position.pushed_done, true)) --open_chunks_;
  stand_.idle = open_chunks_ == 0;
}

void TrainingReport::Acknowledged(const Work& work) {
  std::lock_guard lock(mutex_);
  progress_.set_read_rows(progress_.read_rows() + work.read_rows);
  progress_.set_bad_rows(progress_.bad_rows() + work.bad_rows);
  const auto place = chunks_.find(work.task->chunk().id());
  CHECK(place != chunks_.end());
  Position& position = place->second;
  position.moved = true;
  position.acknowledged_done |= work.ends_chunk;
  if (!work.has_rows()) return;
  stand_.acknowledged = work.clock + 1;
  position.acknowledged = work.minibatch.index + 1;
  progress_.set_rows(progress_.rows() + work.minibatch.rows);
  progress_.set_loss_sum(progress_.loss_sum() + work.loss_sum);
  progress_.set_staleness(std::max(progress_.staleness(), work.staleness));
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

TrainingReport::Stand TrainingReport::stand() const {
  std::lock_guard lock(mutex_);
  return stand_;
}

std::vector<proto::ChunkPosition> TrainingReport::PushedPositions() const {
  std::lock_guard lock(mutex_);
  std::vector<proto::ChunkPosition> positions;
  for (const auto& [id, position] : chunks_) {
    proto::ChunkPosition& pushed = positions.emplace_back();
    *pushed.mutable_chunk() = position.chunk;
    pushed.set_minibatches(position.pushed);
    pushed.set_done(position.pushed_done);
  }
  return positions;
}

proto::Progress TrainingReport::Take() {
  std::lock_guard lock(mutex_);
  proto::Progress progress = std::exchange(progress_, {});
  progress.set_clock(stand_.acknowledged);
  for (auto& [id, position] : chunks_) {
    if (!std::exchange(position.moved, false)) continue;
    proto::ChunkPosition* moved = progress.add_position();
    *moved->mutable_chunk() = position.chunk;
    moved->set_minibatches(position.acknowledged);
    moved->set_done(position.acknowledged_done);
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
