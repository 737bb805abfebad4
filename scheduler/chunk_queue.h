#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "proto/wire.pb.h"

namespace sherd {

// What the rows of an epoch have come to.
struct RowCounts {
  std::uint64_t read = 0;  // with bad ones, and those that sampling leaves out
  std::uint64_t trained = 0;
  std::uint64_t bad = 0;
  std::uint64_t repeated = 0;  // of `trained`: computed a second time, after the loss of a worker

  RowCounts& operator+=(const RowCounts& other);
};

// The chunks of one training epoch, as ranges of their minibatches: which are dealt to whom, and how far each is. A
// range stays leased to its worker until it is done or the worker is lost. Positions only ever go forward, so that late
// and repeated reports do no harm. Thread-compatible.
//
// Towards the end of an epoch, dealt on demand, a range is divided when it is dealt, so that all workers end together:
// each is dealt half of its even share of what is left (guided self-scheduling: Polychronopoulos and Kuck 1987), but
// kSmallestPart minibatches at least, for whoever begins in the middle of a chunk has to read what is before.
class ChunkQueue {
 public:
  static constexpr std::uint32_t kSmallestPart = 4;  // minibatches

  enum class Dealing {
    kOnDemand,    // whoever asks gets the first range that is left
    kRoundRobin,  // chunk i belongs to worker i mod workers: BSP, where who computes what must not depend on time
  };
  struct Options {
    Dealing dealing = Dealing::kOnDemand;
    std::vector<std::uint32_t> workers;  // the live ones
    std::uint32_t batch_size = 1;
  };

  // Begins or goes on with an epoch. Invalid: the ranges are not those of chunks 0, 1, 2 … in dealing order.
  static Result<ChunkQueue> Make(const std::vector<proto::ChunkPosition>& positions, Options options);

  // A range of an epoch that is under way, as another scheduler has left it.
  struct Known {
    proto::ChunkPosition left;            // at the begin of its task, or of the next one
    std::vector<std::uint32_t> applied;   // by shard; empty: it was no lost worker's
    std::optional<std::uint32_t> worker;  // to whom it is leased …
    proto::ChunkPosition told = {};       // … who has said this of it
  };
  static Result<ChunkQueue> Restore(const std::vector<Known>& ranges, Options options);

  // From now on it is one of them. On demand only.
  void Join(std::uint32_t worker) { options_.workers.push_back(worker); }

  // The worker is dealt chunks of these files before others. On demand only.
  void Prefer(std::uint32_t worker, std::set<std::uint32_t> files) { preferred_[worker] = std::move(files); }

  // A TRAIN task's part of this: the next range for the worker, leased to it from now on; nothing when none is left for
  // it.
  std::optional<proto::Task> Next(std::uint32_t worker);
  // The worker has pushed so much of a task. Invalid: it does not hold the range.
  Status Advance(std::uint32_t worker, const proto::ChunkPosition& position);
  // The worker has retired: all that it was dealt is done.
  void Finish(std::uint32_t worker);
  bool all_done() const { return open_ == 0; }

  // The worker is lost. From where on its ranges have to be done again, as far as the scheduler knows …
  std::vector<proto::ChunkRange> OpenRanges(std::uint32_t worker) const;
  // … and what the shards say: [range][shard] the minibatches before this one were applied. From now on the ranges are
  // anyone's, and dealt on demand.
  void Release(std::uint32_t worker, const std::vector<std::vector<std::uint32_t>>& applied);
  // Nothing is applied on one shard and not on another, but what a worker has under way.
  bool settled() const { return unsettled_.empty(); }

  // Chunks that are done since the last call.
  std::vector<std::uint64_t> TakeDone() { return std::exchange(done_chunks_, {}); }
  // The ranges of a chunk as they are now.
  std::vector<proto::ChunkPosition> PositionsOf(std::uint64_t chunk) const;

  // Share of the input that is done, 0..1: an estimate within chunks.
  double share() const;
  const RowCounts& counts() const { return counts_; }
  std::map<std::uint32_t, RowCounts> CountsByFile() const;
  // The path of a file that its chunks name; empty: they do not.
  std::string PathOf(std::uint32_t file) const;

  // The worker's part of a cut, from its message: each range dealt to it so far. One that the message leaves out stands
  // where its last report had it.
  std::vector<proto::ChunkPosition> PartOfCut(std::uint32_t worker, const proto::CutPosition& cut) const;
  // All positions as of a cut: `parts` of the workers that marked it; the ranges of the others (retired) as they are;
  // and what was dealt to a marked worker after its mark, or to nobody, as it was left before.
  std::vector<proto::ChunkPosition> Positions(const std::set<std::uint32_t>& marked,
                                              const std::vector<proto::ChunkPosition>& parts) const;

 private:
  using RangeId = std::pair<std::uint64_t, std::uint32_t>;  // chunk, first minibatch
  struct Stand {
    std::uint32_t minibatches = 0;  // the first that is not done
    bool done = false;
    RowCounts counts;
  };
  struct Range {
    proto::Chunk chunk;
    std::uint32_t end = 0;  // 0: the chunk's end
    Stand left;             // by the run before, or by a lost worker
    Stand now;
    std::vector<std::uint32_t> applied;  // by shard, of a lost worker's range: minibatches before this one
    std::optional<std::uint32_t> worker;
  };
  using Ranges = std::map<RangeId, Range>;

  explicit ChunkQueue(Options options) : options_(std::move(options)) {}

  Status Add(const proto::ChunkPosition& position);
  std::optional<RangeId> Choose(std::uint32_t worker) const;
  void Divide(Ranges::iterator range);
  Ranges::const_iterator Holding(const proto::ChunkPosition& position) const;
  void MoveTo(const RangeId& id, Range* range, const Stand& stand);
  double SizeOfMinibatch(const proto::Chunk& chunk) const;
  // Minibatches from the one that is not done on; 0: unknown.
  std::uint32_t Rest(const Range& range) const;
  static Stand StandAt(const Range& range, const proto::ChunkPosition& position);
  static proto::ChunkPosition PositionOf(const RangeId& id, const Range& range, const Stand& stand);

  Options options_;
  Ranges ranges_;
  std::set<RangeId> undealt_;
  std::set<RangeId> unsettled_;
  std::map<std::uint32_t, std::set<std::uint32_t>> preferred_;  // files, by worker
  std::size_t open_ = 0;                                        // ranges that are not done
  RowCounts counts_;
  std::vector<std::uint64_t> done_chunks_;
  double done_size_ = 0, done_minibatches_ = 0;  // of whole chunks
};

}  // namespace sherd
