#include "scheduler/chunk_queue.h"

#include <algorithm>

namespace sherd {

Result<ChunkQueue> ChunkQueue::Make(const std::vector<proto::ChunkPosition>& positions, Dealing dealing,
                                    std::uint32_t workers) {
  ChunkQueue queue(dealing, workers);
  for (const proto::ChunkPosition& position : positions) {
    const proto::Chunk& chunk = position.chunk();
    if (chunk.id() != queue.entries_.size() || chunk.end() < chunk.begin()) {
      return Status::Invalid("chunk " + std::to_string(chunk.id()) + " stands at place " +
                             std::to_string(queue.entries_.size()) + " of the chunk queue, or its range is reversed");
    }
    Entry& entry = queue.entries_.emplace_back();
    entry.chunk = chunk;
    entry.first_minibatch = entry.minibatches = position.minibatches();
    entry.done = entry.was_done = position.done();
  }
  return queue;
}

bool ChunkQueue::BelongsTo(std::size_t i, std::uint32_t worker) const {
  return dealing_ == Dealing::kOnDemand || i % workers_ == worker;
}

std::optional<proto::ChunkPosition> ChunkQueue::Next(std::uint32_t worker) {
  for (std::size_t& i = next_.at(worker); i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    if (entry.done || entry.worker || !BelongsTo(i, worker)) continue;
    entry.worker = worker;
    return PositionOf(entry);
  }
  return std::nullopt;
}

Status ChunkQueue::Advance(std::uint32_t worker, const proto::ChunkPosition& position) {
  const std::uint64_t id = position.chunk().id();
  if (id >= entries_.size() || entries_[id].worker != worker) {
    return Status::Invalid("chunk " + std::to_string(id) + " is not worker " + std::to_string(worker) + "'s");
  }
  Entry& entry = entries_[id];
  entry.minibatches = std::max(entry.minibatches, position.minibatches());
  entry.done |= position.done();
  return {};
}

void ChunkQueue::Finish(std::uint32_t worker) {
  for (Entry& entry : entries_) entry.done |= entry.worker == worker;
}

bool ChunkQueue::all_done() const {
  return std::all_of(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.done; });
}

double ChunkQueue::share(std::uint32_t batch_size) const {
  double all = 0, done = 0, done_minibatches = 0, done_size = 0;
  for (const Entry& entry : entries_) {
    if (!entry.done || entry.minibatches == 0) continue;
    done_minibatches += entry.minibatches;
    done_size += static_cast<double>(entry.chunk.end() - entry.chunk.begin());
  }
  // Of a streamed chunk nobody knows the minibatches before its end: those that are done tell the bytes of one.
  for (const Entry& entry : entries_) {
    const double size = static_cast<double>(entry.chunk.end() - entry.chunk.begin());
    const double one = entry.chunk.in_memory() ? batch_size
                       : done_minibatches > 0  ? done_size / done_minibatches
                                               : size;
    all += size;
    done += entry.done ? size : entry.minibatches == 0 ? 0 : std::min(size, one * entry.minibatches) * 0.99;
  }
  return all > 0 ? done / all : 1;
}

std::vector<proto::ChunkPosition> ChunkQueue::PartOfCut(std::uint32_t worker, const proto::CutPosition& cut) const {
  std::vector<proto::ChunkPosition> part;
  for (const Entry& entry : entries_) {
    if (entry.worker != worker) continue;
    const auto given = std::find_if(cut.position().begin(), cut.position().end(),
                                    [&](const auto& position) { return position.chunk().id() == entry.chunk.id(); });
    proto::ChunkPosition position = PositionOf(entry);
    if (given != cut.position().end()) {
      position.set_minibatches(std::max(given->minibatches(), entry.first_minibatch));
      position.set_done(given->done());
    }
    part.push_back(position);
  }
  return part;
}

std::vector<proto::ChunkPosition> ChunkQueue::Positions(const std::set<std::uint32_t>& marked,
                                                        const std::vector<proto::ChunkPosition>& parts) const {
  std::vector<proto::ChunkPosition> positions;
  for (const Entry& entry : entries_) {
    proto::ChunkPosition& position = positions.emplace_back(PositionOf(entry));
    if (entry.worker && !marked.contains(*entry.worker)) continue;
    position.set_minibatches(entry.first_minibatch);
    position.set_done(entry.was_done);
  }
  for (const proto::ChunkPosition& part : parts) positions.at(part.chunk().id()) = part;
  return positions;
}

proto::ChunkPosition ChunkQueue::PositionOf(const Entry& entry) {
  proto::ChunkPosition position;
  *position.mutable_chunk() = entry.chunk;
  position.set_minibatches(entry.minibatches);
  position.set_done(entry.done);
  return position;
}

}  // namespace sherd
