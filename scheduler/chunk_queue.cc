#include "scheduler/chunk_queue.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sherd {
namespace {

double SizeOf(const proto::Chunk& chunk) { return static_cast<double>(chunk.end() - chunk.begin()); }

// A file that can only be read from its begin: nobody knows how long it is.
bool IsWholeFile(const proto::Chunk& chunk) { return chunk.end() == std::numeric_limits<std::uint64_t>::max(); }

RowCounts CountsOf(const proto::ChunkPosition& position) {
  return {.read = position.read_rows(),
          .trained = position.rows(),
          .bad = position.bad_rows(),
          .repeated = position.repeated_rows()};
}

RowCounts operator-(RowCounts a, const RowCounts& b) {
  a.read -= b.read;
  a.trained -= b.trained;
  a.bad -= b.bad;
  a.repeated -= b.repeated;
  return a;
}

}  // namespace

RowCounts& RowCounts::operator+=(const RowCounts& other) {
  read += other.read;
  trained += other.trained;
  bad += other.bad;
  repeated += other.repeated;
  return *this;
}

Result<ChunkQueue> ChunkQueue::Make(const std::vector<proto::ChunkPosition>& positions, Options options) {
  ChunkQueue queue(std::move(options));
  for (const proto::ChunkPosition& position : positions) RETURN_IF_ERROR(queue.Add(position));
  return queue;
}

Result<ChunkQueue> ChunkQueue::Restore(const std::vector<Known>& ranges, Options options) {
  ChunkQueue queue(std::move(options));
  for (const Known& known : ranges) {
    RETURN_IF_ERROR(queue.Add(known.left));
    const RangeId id{known.left.chunk().id(), known.left.first_minibatch()};
    Range& range = queue.ranges_.at(id);
    range.applied = known.applied;
    const auto beyond = [&](std::uint32_t minibatch) { return minibatch > range.now.minibatches; };
    if (std::ranges::any_of(range.applied, beyond)) queue.unsettled_.insert(id);
    if (!known.worker) continue;
    queue.undealt_.erase(id);
    range.worker = known.worker;
    RETURN_IF_ERROR(queue.Advance(*known.worker, known.told));
  }
  return queue;
}

Status ChunkQueue::Add(const proto::ChunkPosition& position) {
  const proto::Chunk& chunk = position.chunk();
  const std::uint32_t first = position.first_minibatch(), end = position.end_minibatch();
  std::uint64_t next = 0;
  bool follows = first == 0;
  if (!ranges_.empty()) {
    const auto& [id, last] = *ranges_.rbegin();
    next = last.end == 0 ? id.first + 1 : id.first;
    follows = first == last.end;
  }
  if (chunk.id() != next || chunk.end() < chunk.begin() || !follows || (end != 0 && end <= first)) {
    return Status::Invalid("chunk " + std::to_string(chunk.id()) + " from minibatch " + std::to_string(first) +
                           " stands where chunk " + std::to_string(next) +
                           " of the chunk queue is expected, or its range is reversed");
  }
  Range& range = ranges_[{chunk.id(), first}];
  range.chunk = chunk;
  range.end = end;
  range.left = {.minibatches = std::max(position.minibatches(), first), .done = position.done(), .counts = {}};
  range.left.counts = CountsOf(position);
  range.now = range.left;
  counts_ += range.now.counts;
  if (range.now.done) return {};
  ++open_;
  undealt_.insert({chunk.id(), first});
  return {};
}

// ---- dealing -------------------------------------------------------------------------------------------------------

std::optional<ChunkQueue::RangeId> ChunkQueue::Choose(std::uint32_t worker) const {
  if (options_.dealing == Dealing::kOnDemand) {
    for (const RangeId& id : unsettled_) {  // a checkpoint may wait for them
      if (undealt_.contains(id)) return id;
    }
    const auto preferred = preferred_.find(worker);
    if (preferred != preferred_.end()) {
      const auto is_preferred = [&](const RangeId& id) {
        return preferred->second.contains(ranges_.at(id).chunk.file());
      };
      const auto found = std::find_if(undealt_.begin(), undealt_.end(), is_preferred);
      if (found != undealt_.end()) return *found;
    }
    return undealt_.empty() ? std::nullopt : std::optional(*undealt_.begin());
  }
  const auto& workers = options_.workers;
  const auto is_own = [&](const RangeId& id) { return workers[id.first % workers.size()] == worker; };
  const auto found = std::find_if(undealt_.begin(), undealt_.end(), is_own);
  return found == undealt_.end() ? std::nullopt : std::optional(*found);
}

std::optional<proto::Task> ChunkQueue::Next(std::uint32_t worker) {
  const std::optional<RangeId> id = Choose(worker);
  if (!id) return std::nullopt;
  const auto found = ranges_.find(*id);
  if (options_.dealing == Dealing::kOnDemand) Divide(found);
  Range& range = found->second;
  undealt_.erase(*id);
  range.worker = worker;
  proto::Task task;
  *task.mutable_chunk() = range.chunk;
  task.set_first_minibatch(range.now.minibatches);
  task.set_end_minibatch(range.end);
  for (const std::uint32_t applied : range.applied) task.add_applied(applied);
  return task;
}

void ChunkQueue::Divide(Ranges::iterator range) {
  const std::size_t workers = options_.workers.size();
  // With more than two chunks a worker left each is dealt less than half of its share anyway.
  if (workers < 2 || undealt_.size() > 2 * workers || !range->second.applied.empty()) return;
  std::uint64_t left = 0;
  for (const RangeId& id : undealt_) left += Rest(ranges_.at(id));
  const auto part = std::max<std::uint64_t>(kSmallestPart, (left + 2 * workers - 1) / (2 * workers));
  if (Rest(range->second) < part + kSmallestPart) return;
  const auto end = static_cast<std::uint32_t>(range->second.now.minibatches + part);
  Range rest;
  rest.chunk = range->second.chunk;
  rest.end = std::exchange(range->second.end, end);
  rest.left.minibatches = rest.now.minibatches = end;
  const RangeId id{rest.chunk.id(), end};
  ranges_.emplace(id, std::move(rest));
  undealt_.insert(id);
  ++open_;
}

// Of a streamed chunk nobody knows the minibatches before its end: those that are done tell the bytes of one.
double ChunkQueue::SizeOfMinibatch(const proto::Chunk& chunk) const {
  if (done_minibatches_ > 0) return done_size_ / done_minibatches_;
  return chunk.in_memory() ? options_.batch_size : SizeOf(chunk);
}

std::uint32_t ChunkQueue::Rest(const Range& range) const {
  if (range.end != 0) return range.end - std::min(range.end, range.now.minibatches);
  if (IsWholeFile(range.chunk)) return 0;
  const double all = std::ceil(SizeOf(range.chunk) / std::max(SizeOfMinibatch(range.chunk), 1e-9));
  return static_cast<std::uint32_t>(std::clamp(all - range.now.minibatches, 0.0, 1e9));
}

// ---- progress ------------------------------------------------------------------------------------------------------

ChunkQueue::Ranges::const_iterator ChunkQueue::Holding(const proto::ChunkPosition& position) const {
  const auto after = ranges_.upper_bound({position.chunk().id(), position.first_minibatch()});
  if (after == ranges_.begin()) return ranges_.end();
  const auto range = std::prev(after);
  return range->first.first == position.chunk().id() ? range : ranges_.end();
}

// A worker counts from its task's begin, which is where the range was left.
ChunkQueue::Stand ChunkQueue::StandAt(const Range& range, const proto::ChunkPosition& position) {
  Stand stand = range.left;
  stand.minibatches = std::max(stand.minibatches, position.minibatches());
  stand.done = position.done();
  stand.counts += CountsOf(position);
  return stand;
}

Status ChunkQueue::Advance(std::uint32_t worker, const proto::ChunkPosition& position) {
  const auto found = Holding(position);
  if (found == ranges_.end() || found->second.worker != worker) {
    return Status::Invalid("chunk " + std::to_string(position.chunk().id()) + " is not worker " +
                           std::to_string(worker) + "'s");
  }
  Range& range = ranges_.at(found->first);
  const Stand stand = StandAt(range, position);
  if (stand.minibatches >= range.now.minibatches && stand.done >= range.now.done) MoveTo(found->first, &range, stand);
  return {};
}

void ChunkQueue::MoveTo(const RangeId& id, Range* range, const Stand& stand) {
  counts_ += stand.counts - range->now.counts;
  const bool was_done = std::exchange(range->now, stand).done;
  const std::vector<std::uint32_t>& applied = range->applied;
  if (stand.done || applied.empty() || stand.minibatches >= *std::max_element(applied.begin(), applied.end())) {
    unsettled_.erase(id);
  }
  if (!stand.done || was_done) return;
  --open_;
  if (id.second == 0 && range->end == 0 && !IsWholeFile(range->chunk)) {
    done_size_ += SizeOf(range->chunk);
    done_minibatches_ += stand.minibatches;
  }
  for (auto each = ranges_.lower_bound({id.first, 0}); each != ranges_.end() && each->first.first == id.first; ++each) {
    if (!each->second.now.done) return;
  }
  done_chunks_.push_back(id.first);
}

void ChunkQueue::Finish(std::uint32_t worker) {
  for (auto& [id, range] : ranges_) {
    if (range.worker != worker || range.now.done) continue;
    Stand stand = range.now;
    stand.done = true;
    MoveTo(id, &range, stand);
  }
}

// ---- a lost worker -------------------------------------------------------------------------------------------------

std::vector<proto::ChunkRange> ChunkQueue::OpenRanges(std::uint32_t worker) const {
  std::vector<proto::ChunkRange> open;
  for (const auto& [id, range] : ranges_) {
    if (range.worker != worker || range.now.done) continue;
    proto::ChunkRange& each = open.emplace_back();
    each.set_chunk(id.first);
    each.set_first_minibatch(range.now.minibatches);
    each.set_end_minibatch(range.end);
  }
  return open;
}

void ChunkQueue::Release(std::uint32_t worker, const std::vector<std::vector<std::uint32_t>>& applied) {
  std::size_t i = 0;
  for (auto& [id, range] : ranges_) {
    if (range.worker != worker || range.now.done) continue;
    range.worker.reset();
    range.left = range.now;
    range.applied = applied.at(i++);
    const auto beyond = [&](std::uint32_t minibatch) { return minibatch > range.now.minibatches; };
    if (std::any_of(range.applied.begin(), range.applied.end(), beyond)) {
      unsettled_.insert(id);
    } else {
      range.applied.clear();
    }
    undealt_.insert(id);
  }
  options_.dealing = Dealing::kOnDemand;
  std::erase(options_.workers, worker);
}

// ---- how far it is -------------------------------------------------------------------------------------------------

double ChunkQueue::share() const {
  double all = 0, done = 0;
  for (const auto& [id, range] : ranges_) {
    const double size = IsWholeFile(range.chunk) ? 1 : SizeOf(range.chunk), one = SizeOfMinibatch(range.chunk);
    const double begin = std::min(size, one * id.second), end = range.end == 0 ? size : std::min(size, one * range.end);
    const double at = std::min(one * range.now.minibatches, end);
    all += end - begin;
    done += range.now.done ? end - begin : range.now.minibatches == id.second ? 0 : (at - begin) * 0.99;
  }
  return all > 0 ? done / all : 1;
}

std::map<std::uint32_t, RowCounts> ChunkQueue::CountsByFile() const {
  std::map<std::uint32_t, RowCounts> counts;
  for (const auto& [id, range] : ranges_) counts[range.chunk.file()] += range.now.counts;
  return counts;
}

std::vector<proto::ChunkPosition> ChunkQueue::PositionsOf(std::uint64_t chunk) const {
  std::vector<proto::ChunkPosition> positions;
  for (auto range = ranges_.lower_bound({chunk, 0}); range != ranges_.end() && range->first.first == chunk; ++range) {
    positions.push_back(PositionOf(range->first, range->second, range->second.now));
  }
  return positions;
}

std::string ChunkQueue::PathOf(std::uint32_t file) const {
  for (const auto& [id, range] : ranges_) {
    if (range.chunk.file() == file) return range.chunk.path();
  }
  return "";
}

// ---- cuts ----------------------------------------------------------------------------------------------------------

std::vector<proto::ChunkPosition> ChunkQueue::PartOfCut(std::uint32_t worker, const proto::CutPosition& cut) const {
  std::map<RangeId, const proto::ChunkPosition*> given;
  for (const proto::ChunkPosition& position : cut.position()) {
    const auto range = Holding(position);
    if (range != ranges_.end()) given[range->first] = &position;
  }
  std::vector<proto::ChunkPosition> part;
  for (const auto& [id, range] : ranges_) {
    if (range.worker != worker) continue;
    const auto said = given.find(id);
    part.push_back(PositionOf(id, range, said == given.end() ? range.now : StandAt(range, *said->second)));
  }
  return part;
}

std::vector<proto::ChunkPosition> ChunkQueue::Positions(const std::set<std::uint32_t>& marked,
                                                        const std::vector<proto::ChunkPosition>& parts) const {
  std::map<RangeId, const proto::ChunkPosition*> said;
  for (const proto::ChunkPosition& part : parts) said[{part.chunk().id(), part.first_minibatch()}] = &part;
  std::vector<proto::ChunkPosition> positions;
  for (const auto& [id, range] : ranges_) {
    const auto part = said.find(id);
    if (part != said.end()) {
      positions.push_back(*part->second);
      continue;
    }
    const bool as_it_is = range.worker && !marked.contains(*range.worker);
    positions.push_back(PositionOf(id, range, as_it_is ? range.now : range.left));
  }
  return positions;
}

proto::ChunkPosition ChunkQueue::PositionOf(const RangeId& id, const Range& range, const Stand& stand) {
  proto::ChunkPosition position;
  *position.mutable_chunk() = range.chunk;
  position.set_minibatches(stand.minibatches);
  position.set_done(stand.done);
  position.set_rows(stand.counts.trained);
  position.set_read_rows(stand.counts.read);
  position.set_bad_rows(stand.counts.bad);
  position.set_repeated_rows(stand.counts.repeated);
  if (id.second > 0) position.set_first_minibatch(id.second);
  if (range.end > 0) position.set_end_minibatch(range.end);
  return position;
}

}  // namespace sherd
