// Who a shard listens to in an epoch, and what it does when a worker is lost (docs/consistency.md, "A lost worker") or
// a scheduler.
#include <utility>

#include "ps/shard.h"

namespace sherd {

void Shard::Start(const proto::StartEpoch& start) {
  // Repeated after the workers have begun, or come late of an epoch before, it must not set their clocks back.
  std::string text = start.SerializeAsString();
  if (text == started_) return;
  if (!started_.empty() && std::pair(start.epoch(), start.round()) < std::pair(epoch_, round_)) return;
  started_ = std::move(text);
  if (start.epoch() != epoch_ || start.round() == 0) applied_.Clear();
  epoch_ = start.epoch();
  round_ = start.round();
  clocks_.Start(start.clock(), start.worker());
  // Sent before one was lost, it may come after the fence.
  for (const std::uint32_t worker : start.worker()) {
    if (streams_[worker].fenced) clocks_.Retire(worker);
  }
  barrier_.Clear();
  Advance();
}

void Shard::HandleFence(const Envelope& request) {
  proto::Fence fence;
  if (const Status status = ParseBody(request.message, &fence); !status.ok()) {
    return Refuse(request, proto::INVALID, status.text());
  }
  const std::uint32_t worker = fence.worker();
  if (worker >= kMostWorkers) return Refuse(request, proto::INVALID, "no such worker " + std::to_string(worker));
  Log(request.message);
  Fence(worker, fence.incarnation());
  if (fence.cut() != 0 && fence.cut() == cut_.number()) AbandonCut();
  proto::Fenced fenced;
  for (const proto::ChunkRange& range : fence.range()) {
    fenced.add_applied(applied_.FirstMissing(range.chunk(), range.first_minibatch(), range.end_minibatch()));
  }
  Reply(request, MakeReply(request.message.header, fenced));
  Advance();
}

void Shard::Fence(std::uint32_t worker, std::uint32_t incarnation) {
  if (incarnation <= streams_[worker].incarnation) return;
  ForgetWorker(worker);
  streams_[worker].incarnation = incarnation;
  streams_[worker].fenced = true;
  if (clocks_.live(worker)) clocks_.Retire(worker);
}

// Nobody can tell how far the scheduler before has got with it.
void Shard::HandleTakeOver(const Envelope& request) {
  proto::TakeOver take;
  if (const Status status = ParseBody(request.message, &take); !status.ok()) {
    return Refuse(request, proto::INVALID, status.text());
  }
  for (const proto::TakeOver::Lost& lost : take.lost()) {
    if (lost.worker() < kMostWorkers) continue;
    return Refuse(request, proto::INVALID, "no such worker " + std::to_string(lost.worker()));
  }
  Log(request.message);
  for (const proto::TakeOver::Lost& lost : take.lost()) Fence(lost.worker(), lost.incarnation());
  AbandonCut();
  if (take.has_start()) Start(take.start());
  for (const proto::ChunkRange& range : take.applied()) {
    applied_.Fill(range.chunk(), range.first_minibatch(), range.end_minibatch());
  }
  Advance();
  proto::TakenOver taken;
  applied_.ForEachRange([&](std::uint64_t chunk, std::uint32_t begin, std::uint32_t end) {
    proto::ChunkRange* const range = taken.add_applied();
    range->set_chunk(chunk);
    range->set_first_minibatch(begin);
    range->set_end_minibatch(end);
  });
  taken.set_cut(cut_.number());
  taken.set_job_seconds(job_seconds());
  Reply(request, MakeReply(request.message.header, taken));
}

// So that those who had marked it are not held for it.
void Shard::AbandonCut() {
  if (!cut_.open() && writer_ == nullptr) return;
  writer_ = nullptr;
  cut_.Abandon();
  cut_.AnswerWaiting(&replies_);
  ReleaseHeld();
}

void Shard::HandleChunksDone(const Envelope& request) {
  proto::ChunksDone done;
  if (const Status status = ParseBody(request.message, &done); !status.ok()) {
    return Refuse(request, proto::INVALID, status.text());
  }
  Log(request.message);
  Reply(request, MakeReply(request.message.header));
  if (done.epoch() != epoch_) return;
  for (const std::uint64_t chunk : done.chunk()) applied_.Forget(chunk);
}

}  // namespace sherd
