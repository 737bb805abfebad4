// What a shard does when a worker is lost: docs/consistency.md, "A lost worker".
#include <utility>

#include "ps/shard.h"

namespace sherd {

void Shard::HandleFence(const Envelope& request) {
  proto::Fence fence;
  if (const Status status = ParseBody(request.message, &fence); !status.ok()) {
    return Refuse(request, proto::INVALID, status.text());
  }
  const std::uint32_t worker = fence.worker();
  if (worker >= kMostWorkers) return Refuse(request, proto::INVALID, "no such worker " + std::to_string(worker));
  Log(request.message);
  if (fence.incarnation() > streams_[worker].incarnation) {
    ForgetWorker(worker);
    streams_[worker].incarnation = fence.incarnation();
    streams_[worker].fenced = true;
    if (clocks_.live(worker)) clocks_.Retire(worker);
  }
  if (fence.cut() != 0 && fence.cut() == cut_.number()) AbandonCut();
  proto::Fenced fenced;
  for (const proto::ChunkRange& range : fence.range()) {
    fenced.add_applied(applied_.FirstMissing(range.chunk(), range.first_minibatch(), range.end_minibatch()));
  }
  Reply(request, MakeReply(request.message.header, fenced));
  Advance();
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
