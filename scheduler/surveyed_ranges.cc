#include "scheduler/surveyed_ranges.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace sherd {
namespace {

constexpr std::uint32_t kToTheEnd = 0;  // as an end: the chunk's

struct HeldLease {
  std::uint32_t worker;
  const proto::Lease* lease;
};

bool Before(std::uint32_t minibatch, std::uint32_t end) { return end == kToTheEnd || minibatch < end; }

proto::ChunkPosition Piece(const proto::Chunk& chunk, std::uint32_t first, std::uint32_t end) {
  proto::ChunkPosition piece;
  *piece.mutable_chunk() = chunk;
  piece.set_minibatches(first);
  if (first > 0) piece.set_first_minibatch(first);
  if (end != kToTheEnd) piece.set_end_minibatch(end);
  return piece;
}

class Surveyor {
 public:
  explicit Surveyor(const EpochSurvey& survey) : shards_(survey.applied.size()) {
    for (std::size_t shard = 0; shard < shards_; ++shard) {
      for (const proto::ChunkRange& range : survey.applied[shard]) applied_[range.chunk()].push_back({shard, &range});
    }
    for (const auto& [worker, leases] : survey.leases) {
      for (const proto::Lease& lease : leases) leases_[lease.position().chunk().id()].push_back({worker, &lease});
    }
    for (auto& [chunk, leases] : leases_) {
      std::ranges::sort(leases, {}, [](const HeldLease& held) { return held.lease->position().first_minibatch(); });
    }
    for (const proto::ChunkPosition& done : survey.done) done_[done.chunk().id()].push_back(&done);
  }

  Result<std::vector<ChunkQueue::Known>> Ranges(const std::vector<proto::ChunkPosition>& begin) {
    for (const proto::ChunkPosition& range : begin) {
      const auto done = done_.find(range.chunk().id());
      if (done == done_.end()) {
        RETURN_IF_ERROR(AddRange(range));
        continue;
      }
      for (const proto::ChunkPosition* each : std::exchange(done->second, {})) Add(*each);
    }
    return std::move(ranges_);
  }

 private:
  struct Applied {
    std::size_t shard;
    const proto::ChunkRange* range;
  };

  void Add(const proto::ChunkPosition& left) { ranges_.push_back({.left = left, .applied = {}, .worker = {}}); }

  // What was done before the round, what workers hold, and what is between.
  Status AddRange(const proto::ChunkPosition& range) {
    if (range.done()) {
      Add(range);
      return {};
    }
    std::uint32_t at = std::max(range.minibatches(), range.first_minibatch());
    if (at > range.first_minibatch()) {
      Add(range);
      ranges_.back().left.set_end_minibatch(at);
      ranges_.back().left.set_done(true);
    }
    bool ended = false;
    for (const HeldLease& held : leases_[range.chunk().id()]) {
      const proto::ChunkPosition& position = held.lease->position();
      if (position.first_minibatch() < range.first_minibatch()) continue;  // of the range before
      if (!Before(position.first_minibatch(), range.end_minibatch())) break;
      if (ended || position.first_minibatch() < at) {
        return Status::BadData("worker " + std::to_string(held.worker) + " holds chunk " +
                               std::to_string(range.chunk().id()) + " from minibatch " +
                               std::to_string(position.first_minibatch()) + " on, which is another's or done");
      }
      if (position.first_minibatch() > at) AddUnheld(range.chunk(), at, position.first_minibatch());
      AddHeld(held);
      at = position.end_minibatch();
      ended = at == kToTheEnd;
    }
    if (!ended && Before(at, range.end_minibatch())) AddUnheld(range.chunk(), at, range.end_minibatch());
    return {};
  }

  void AddHeld(const HeldLease& held) {
    const proto::ChunkPosition& position = held.lease->position();
    ranges_.push_back({.left = Piece(position.chunk(), position.first_minibatch(), position.end_minibatch()),
                       .applied = {held.lease->applied().begin(), held.lease->applied().end()},
                       .worker = held.worker,
                       .told = position});
  }

  // Who held a part of it pushed from that part's begin on, in order: so within each piece that ends where another part
  // begins a shard has all up to some minibatch, and nothing behind.
  void AddUnheld(const proto::Chunk& chunk, std::uint32_t first, std::uint32_t end) {
    const std::vector<Applied>& applied = applied_[chunk.id()];
    std::set<std::uint32_t> begins{first};
    for (const Applied& each : applied) {
      const std::uint32_t begin = each.range->first_minibatch();
      if (begin > first && Before(begin, end)) begins.insert(begin);
    }
    for (auto begin = begins.begin(); begin != begins.end(); ++begin) {
      const auto next = std::next(begin);
      AddPiece(chunk, *begin, next == begins.end() ? end : *next, applied);
    }
  }

  void AddPiece(const proto::Chunk& chunk, std::uint32_t first, std::uint32_t end,
                const std::vector<Applied>& applied) {
    Add(Piece(chunk, first, end));
    std::vector<std::uint32_t> up_to(shards_, first);
    bool any = false;
    for (const auto& [shard, range] : applied) {
      if (range->first_minibatch() > first || range->end_minibatch() <= first) continue;
      up_to[shard] = end == kToTheEnd ? range->end_minibatch() : std::min(range->end_minibatch(), end);
      any = true;
    }
    if (any) ranges_.back().applied = std::move(up_to);
  }

  const std::size_t shards_;
  std::map<std::uint64_t, std::vector<Applied>> applied_;  // by chunk
  std::map<std::uint64_t, std::vector<HeldLease>> leases_;
  std::map<std::uint64_t, std::vector<const proto::ChunkPosition*>> done_;
  std::vector<ChunkQueue::Known> ranges_;
};

}  // namespace

Result<std::vector<ChunkQueue::Known>> RangesOf(const EpochSurvey& survey) {
  return Surveyor(survey).Ranges(survey.begin);
}

}  // namespace sherd
