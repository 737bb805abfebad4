#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "proto/wire.pb.h"

namespace sherd {

// The chunks of one training epoch: which are dealt to whom, and how far each is. A dealt chunk stays leased to its
// worker until it is done. Positions only ever go forward, so that late and repeated reports do no harm.
// Thread-compatible.
class ChunkQueue {
 public:
  enum class Dealing {
    kOnDemand,    // whoever asks gets the first chunk that is left
    kRoundRobin,  // chunk i belongs to worker i mod workers: BSP, where who computes what must not depend on time
  };

  // Begins or goes on with an epoch. Invalid: the chunks are not numbered 0, 1, 2 … in dealing order.
  static Result<ChunkQueue> Make(const std::vector<proto::ChunkPosition>& positions, Dealing dealing,
                                 std::uint32_t workers);

  // The next chunk for the worker, leased to it from now on; nothing when none is left for it.
  std::optional<proto::ChunkPosition> Next(std::uint32_t worker);
  // The worker has pushed so much of a chunk. Invalid: it does not hold the chunk.
  Status Advance(std::uint32_t worker, const proto::ChunkPosition& position);
  // The worker has retired: all that it was dealt is done.
  void Finish(std::uint32_t worker);
  bool all_done() const;

  // Share of the input that is done, 0..1: an estimate within chunks.
  double share(std::uint32_t batch_size) const;

  // The worker's part of a cut, from its message: each chunk dealt to it so far. One that the message leaves out stands
  // where its last report had it.
  std::vector<proto::ChunkPosition> PartOfCut(std::uint32_t worker, const proto::CutPosition& cut) const;
  // All positions as of a cut: `parts` of the workers that marked it; the chunks of the others (retired) as they are;
  // and what was dealt to a marked worker after its mark, or to nobody, as the epoch began.
  std::vector<proto::ChunkPosition> Positions(const std::set<std::uint32_t>& marked,
                                              const std::vector<proto::ChunkPosition>& parts) const;

 private:
  struct Entry {
    proto::Chunk chunk;
    std::uint32_t first_minibatch = 0;  // done before this run of the epoch
    std::uint32_t minibatches = 0;      // done
    bool done = false;
    bool was_done = false;  // before this run
    std::optional<std::uint32_t> worker;
  };

  ChunkQueue(Dealing dealing, std::uint32_t workers) : dealing_(dealing), workers_(workers), next_(workers) {}

  bool BelongsTo(std::size_t i, std::uint32_t worker) const;
  static proto::ChunkPosition PositionOf(const Entry& entry);

  Dealing dealing_;
  std::uint32_t workers_;
  std::vector<Entry> entries_;
  std::vector<std::size_t> next_;  // [worker]: no chunk before this is left for it
};

}  // namespace sherd
