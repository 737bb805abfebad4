// What the scheduler writes down before it does it: docs/fault_tolerance.md, "The scheduler".
#include <glog/logging.h>

#include <utility>

#include "scheduler/scheduler_impl.h"

namespace sherd {

void Scheduler::Impl::Lead(Leadership* leadership, const std::string& journal_dir) {
  leadership_ = leadership;
  journal_dir_ = journal_dir;
  journal_ = Journal(journal_dir, options_.term);
}

Status Scheduler::Impl::CheckLeadership() const { return leadership_ == nullptr ? Status() : leadership_->Check(); }

// So that who takes over knows that it may begin anew.
Status Scheduler::Impl::JournalNothing() {
  if (leadership_ == nullptr) return {};
  proto::SchedulerState state;
  state.set_not_begun(true);
  RETURN_IF_ERROR(Journaled(journal_.Begin(state)));
  return Journaled(RemoveJournalsBefore(journal_dir_, options_.term));
}

// Before shards are told that a round begins; without one, between two epochs.
Status Scheduler::Impl::JournalRound(const proto::StartEpoch* started) {
  if (leadership_ == nullptr) return {};
  proto::SchedulerState state;
  proto::JobState& job = *state.mutable_job();
  job.set_epoch(epoch_);
  job.set_clock(clock_);
  if (queue_) {
    for (auto& position : queue_->Positions({}, {})) *job.add_chunk() = std::move(position);
  } else {
    job.mutable_chunk()->Assign(resumed_.begin(), resumed_.end());
  }
  *job.mutable_followed() = followed_;
  job.set_rows(rows_);
  judge_.Save(&job);
  job.set_workers(options_.workers);
  job.set_seconds(SecondsSoFar());
  if (started != nullptr) *state.mutable_started() = *started;
  state.set_lost_in_epoch(started != nullptr && started->round() > 0);
  state.mutable_lost()->Assign(lost_.begin(), lost_.end());
  *state.mutable_placement() = placement_.Save();
  state.set_best_dir(best_dir_);
  state.set_weights_epoch(weights_epoch_);
  state.set_read_rows(bad_rows_.read());
  state.set_bad_rows(bad_rows_.bad());
  state.set_rows_resumed(rows_resumed_);
  state.set_worker_places(membership_.WorkerPlaces());
  *state.mutable_restore_point() = restore_point_;
  *state.mutable_lost_updates() = lost_updates_;
  return Journaled(journal_.Begin(state));
}

Status Scheduler::Impl::JournalLost(proto::Role role, std::uint32_t index, std::uint32_t successor) {
  proto::LostRank& lost = lost_.emplace_back();
  lost.set_role(role);
  lost.set_index(index);
  lost.set_successor(successor);
  proto::JournalRecord record;
  *record.mutable_lost() = lost;
  return Journaled(journal_.Add(record));
}

Status Scheduler::Impl::JournalPlacement() {
  proto::JournalRecord record;
  *record.mutable_placement() = placement_.Save();
  return Journaled(journal_.Add(record));
}

Status Scheduler::Impl::JournalRestorePoint() {
  proto::JournalRecord record;
  *record.mutable_restore_point() = restore_point_;
  return Journaled(journal_.Add(record));
}

// Whoever takes over does not hear what workers have told this scheduler.
void Scheduler::Impl::JournalLostUpdates() {
  proto::JournalRecord record;
  *record.mutable_lost_updates() = lost_updates_;
  if (!counting_.empty()) record.mutable_lost_updates()->set_more(true);
  Fail(Journaled(journal_.Add(record)));
}

Status Scheduler::Impl::JournalDone(const std::vector<std::uint64_t>& chunks) {
  if (leadership_ == nullptr) return {};
  proto::JournalRecord record;
  for (const std::uint64_t chunk : chunks) {
    for (auto& position : queue_->PositionsOf(chunk)) *record.mutable_done()->add_position() = std::move(position);
  }
  return Journaled(journal_.Add(record));
}

void Scheduler::Impl::JournalVerdict(const Status& verdict) {
  proto::JournalRecord record;
  record.mutable_finished()->set_ok(verdict.ok());
  if (!verdict.ok()) {
    record.mutable_finished()->set_text(verdict.text());
    record.mutable_finished()->set_code(static_cast<std::uint32_t>(verdict.code()));
  }
  const Status written = Journaled(journal_.Add(record));
  LOG_IF(WARNING, !written.ok()) << written.text();
}

// A disk that is full for a moment is no reason to end a job that nothing else is wrong with. But from a journal that
// lacks something nobody may go on.
Status Scheduler::Impl::Journaled(const Status& written) {
  if (written.ok()) return {};
  observer_->OnMessage(written.text() + "; should the scheduler be lost before the next epoch, no other can take over");
  return journal_.Discard();
}

}  // namespace sherd
