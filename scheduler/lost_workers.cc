// What becomes of a lost worker's work: docs/consistency.md, "A lost worker".
#include <utility>

#include "scheduler/scheduler_impl.h"

namespace sherd {

Status Scheduler::Impl::LoseSilentWorkers(Deadline now) {
  for (const std::uint32_t worker : membership_.Silent(proto::WORKER, now)) {
    const std::string what = membership_.Obituary(proto::WORKER, worker);
    const std::uint32_t successor = membership_.Expel(proto::WORKER, worker);
    if (membership_.LiveWorkers().empty()) return Status::Unavailable(what + "; no worker is left");
    observer_->OnMessage(what + "; the others take over its work");
    RETURN_IF_ERROR(LoseWorker(worker, successor));
  }
  return {};
}

// What its own system has done to a worker is its loss alone; what a second one meets too is the job's.
Status Scheduler::Impl::LoseFailedWorker(std::uint32_t worker, const std::string& failure) {
  const std::string what = membership_.NameOf(proto::WORKER, worker) + ": " + failure;
  for (const auto& [other, same] : own_failures_) {
    if (same == failure) return Status::BadData(what + "; so had worker " + std::to_string(other));
  }
  own_failures_[worker] = failure;
  const std::uint32_t successor = membership_.Expel(proto::WORKER, worker);
  if (membership_.LiveWorkers().empty()) return Status::BadData(what + "; no worker is left");
  observer_->OnMessage("failed: " + what + "; the others take over its work");
  return LoseWorker(worker, successor);
}

// First nobody hears it any more, then its leases are asked after: what a shard says then stays true.
Status Scheduler::Impl::LoseWorker(std::uint32_t worker, std::uint32_t successor) {
  RETURN_IF_ERROR(JournalLost(proto::WORKER, worker, successor));
  desk_.Forget(worker);
  newcomers_.erase(worker);
  AwaitNoCountsOf(worker);
  if (evaluation_) evaluation_->Lose(worker);
  proto::Fence body;
  body.set_worker(worker);
  body.set_incarnation(successor);
  // One that was abandoned before holds pushes as well, until the next cut, which waits for this fence.
  const bool abandoned = coordinator_.phase() == CheckpointCoordinator::Phase::kAbandoned;
  if (coordinator_.Lose(worker) || abandoned) body.set_cut(coordinator_.plan().cut);
  if (queue_) {
    for (proto::ChunkRange& range : queue_->OpenRanges(worker)) *body.add_range() = std::move(range);
  }
  Leases& leases = fenced_[worker];
  leases.missing = calls_.shards();
  leases.epoch = epoch_;
  leases.applied.assign(body.range_size(), std::vector<std::uint32_t>(calls_.shards()));
  for (std::uint32_t shard = 0; shard < calls_.shards(); ++shard) {
    calls_.Send(shard, MakeControl(proto::FENCE, body), "fence at " + placement_.NameOfShard(shard), request_timeout_,
                [this, worker, shard](const Result<Message>& answer) {
                  const Status status = answer.ok() ? OnFenced(worker, shard, *answer) : answer.status();
                  if (!status.ok()) Fail(status);
                });
  }
  return {};
}

Status Scheduler::Impl::OnFenced(std::uint32_t worker, std::uint32_t shard, const Message& answer) {
  proto::Fenced body;
  RETURN_IF_ERROR(ParseBody(answer, &body));
  Leases& leases = fenced_.at(worker);
  if (body.applied_size() != static_cast<int>(leases.applied.size())) {
    return Status::BadData("fenced: " + std::to_string(body.applied_size()) + " ranges in place of " +
                           std::to_string(leases.applied.size()));
  }
  for (int i = 0; i < body.applied_size(); ++i) leases.applied[i][shard] = body.applied(i);
  if (--leases.missing > 0) return {};
  if (queue_ && leases.epoch == epoch_) queue_->Release(worker, leases.applied);
  clocks_.Retire(worker);
  fenced_.erase(worker);
  return {};
}

// A cut has one position for each range of minibatches, so it waits until all shards have the same of each.
bool Scheduler::Impl::Settled() const { return fenced_.empty() && (!queue_ || queue_->settled()); }

bool Scheduler::Impl::RoundOver() const { return clocks_.all_retired() && fenced_.empty(); }

// Begins the epoch again where all have retired and there is work that a lost worker has left, or that was kept for
// others as well, who have joined.
Status Scheduler::Impl::BeginRound() {
  RETURN_IF_ERROR(
      Until([this] { return CutTaken() || coordinator_.phase() == CheckpointCoordinator::Phase::kAbandoned; }));
  clock_ = clocks_.greatest();
  ++round_;
  for (const std::uint32_t worker : newcomers_) queue_->Join(worker);
  return StartShards();
}

Status Scheduler::Impl::Settle() {
  while (!Settled()) {
    RETURN_IF_ERROR(Until([this] { return Settled() || (epoch_open_ && RoundOver()); }));
    if (!Settled()) RETURN_IF_ERROR(BeginRound());
  }
  return {};
}

Status Scheduler::Impl::TellDoneChunks(Deadline now) {
  constexpr std::chrono::seconds kEvery{1};
  if (!epoch_open_ || now - told_done_ < kEvery) return {};
  told_done_ = now;
  const std::vector<std::uint64_t> chunks = queue_->TakeDone();
  if (chunks.empty()) return {};
  RETURN_IF_ERROR(JournalDone(chunks));
  proto::ChunksDone body;
  body.set_epoch(epoch_);
  body.mutable_chunk()->Assign(chunks.begin(), chunks.end());
  for (std::uint32_t shard = 0; shard < calls_.shards(); ++shard) {
    // A shard that does not hear of it remembers more than it needs to, until the epoch's end.
    calls_.Send(shard, MakeControl(proto::CHUNKS_DONE, body), "chunks done at " + placement_.NameOfShard(shard),
                request_timeout_, [](const Result<Message>&) {});
  }
  return {};
}

}  // namespace sherd
