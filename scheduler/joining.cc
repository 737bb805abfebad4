// Who comes while the job runs, and which worker leaves: docs/fault_tolerance.md, "Joining and leaving".
#include <utility>

#include "scheduler/scheduler_impl.h"

namespace sherd {
namespace {

constexpr std::uint32_t kMostPlaces = 1 << 16;  // whoever has the keys may say any number

}  // namespace

// Makes a place for a spare or a worker that the job was not launched with; whether it gets it, Membership says. A
// worker begins with the next round of the epoch, which this one makes way for.
Status Scheduler::Impl::Admit(const proto::Header& header) {
  const bool worker = header.role() == proto::WORKER;
  if ((!worker && header.role() != proto::SPARE) || header.index() >= kMostPlaces) return {};
  if (membership_.HasPlace(header.role(), header.index())) return {};
  if (worker && options_.job.train().consistency() == proto::Train::BSP) {
    return Status::Invalid("no worker can join a job with consistency BSP: its bits depend on how many there are");
  }
  membership_.AddPlace(header.role(), header.index());
  if (!worker) return {};
  MakePlaces();
  if (welcomed_) newcomers_.insert(header.index());
  return {};
}

void Scheduler::Impl::MakePlaces() {
  const std::uint32_t places = membership_.WorkerPlaces();
  desk_.Grow(places);
  clocks_.Grow(places);
  progress_log_.resize(places);
  ended_.resize(places);
}

// Those who take no part in the round that begins.
void Scheduler::Impl::RetireAbsent() {
  for (std::uint32_t worker = 0; worker < membership_.WorkerPlaces(); ++worker) {
    if (!membership_.IsLiveWorker(worker) || newcomers_.contains(worker)) clocks_.Retire(worker);
  }
}

// The last one stays; and when the job is asked to stop, so are all.
bool Scheduler::Impl::MayLeave(std::uint32_t worker) const {
  return stop_requests_ == 0 && membership_.IsLiveWorker(worker) && membership_.LiveWorkers().size() > 1;
}

// It does what it was dealt, retires, and may go then.
std::optional<proto::Task> Scheduler::Impl::LeavingTask(std::uint32_t worker, const proto::NextTask& body) {
  proto::Task task;
  task.set_epoch(epoch_);
  task.set_round(round_);
  task.set_kind(proto::Task::STOP);
  if (!epoch_open_ || clocks_.retired(worker)) return task;
  if (!ended_[worker]) {
    ended_[worker] = true;
    task.set_kind(proto::Task::END_EPOCH);
    return task;
  }
  if (!body.retired()) return std::nullopt;
  Retire(worker);
  return task;
}

// From then on it is to the job as a lost one that held nothing.
Status Scheduler::Impl::Leave(std::uint32_t worker) {
  observer_->OnMessage(membership_.NameOf(proto::WORKER, worker) + " has left; the others go on");
  departed_.insert(worker);
  return LoseWorker(worker, membership_.Expel(proto::WORKER, worker));
}

// It has not heard yet that it may go.
Status Scheduler::Impl::SayGoodbye(const Envelope& envelope) {
  proto::Task task;
  task.set_kind(proto::Task::STOP);
  proto::Command command;
  command.set_stop(true);
  const proto::Header& header = envelope.message.header;
  Reply(envelope, header.kind() == proto::NEXT_TASK ? MakeReply(header, task) : MakeReply(header, command));
  return {};
}

}  // namespace sherd
