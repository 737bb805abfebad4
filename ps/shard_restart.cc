// How a worker goes on with a shard that was restored: docs/fault_tolerance.md, "Back to a checkpoint".
#include <algorithm>

#include "ps/shard.h"

namespace sherd {

void Shard::CountPush(const proto::Header& push, Stream* stream) {
  ++stream->pushes;
  for (const proto::Section& section : push.section()) {
    if (!section.dense()) stream->updates += section.count();
  }
}

// What the lost shard had acknowledged is behind its worker: those minibatches count as applied, lest somebody else is
// told to do them again, and its clock is that of its next push, lest others wait for what does not come.
Status Shard::ExecuteRestart(const Message& message) {
  const proto::Header& header = message.header;
  const std::uint32_t worker = header.index();
  proto::Restart restart;
  RETURN_IF_ERROR(ParseBody(message, &restart));
  if (header.clock() >= ClockTable::kRetired - 1) return Status::Invalid("no such clock");
  Stream& stream = streams_[worker];
  stream.pushes = std::max(stream.pushes, restart.taken().pushes());
  stream.updates = std::max(stream.updates, restart.taken().updates());
  // Of a round that is over, or not begun here: of this one it has pushed nothing.
  const bool of_this_round = header.epoch() == epoch_ && restart.round() == round_ && clocks_.live(worker);
  if (!of_this_round || clocks_.retired(worker)) return {};
  for (const proto::ChunkRange& range : restart.applied()) {
    applied_.Fill(range.chunk(), range.first_minibatch(), range.end_minibatch());
  }
  clocks_.Set(worker, restart.retired() ? ClockTable::kRetired : std::max(clocks_.at(worker), header.clock()));
  return {};
}

proto::Taken Shard::TakenOf(std::uint32_t worker, const Stream& stream) {
  proto::Taken taken;
  taken.set_worker(worker);
  taken.set_incarnation(stream.incarnation);
  taken.set_pushes(stream.pushes);
  taken.set_updates(stream.updates);
  return taken;
}

std::vector<proto::Taken> Shard::Taken() const {
  std::vector<proto::Taken> taken;
  for (const auto& [worker, stream] : streams_) taken.push_back(TakenOf(worker, stream));
  return taken;
}

}  // namespace sherd
