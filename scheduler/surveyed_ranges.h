#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "proto/wire.pb.h"
#include "scheduler/chunk_queue.h"

namespace sherd {

// What there is to know of a round of an epoch whose scheduler was lost.
struct EpochSurvey {
  std::vector<proto::ChunkPosition> begin;                    // the ranges as the round began, by the journal …
  std::vector<proto::ChunkPosition> done;                     // … and those of chunks that were done with since
  std::map<std::uint32_t, std::vector<proto::Lease>> leases;  // by live worker, as it says
  std::vector<std::vector<proto::ChunkRange>> applied;        // by shard, as they say; all others are fenced
};

// The ranges of its queue. A live worker keeps what it holds. Nobody's minibatches are to be dealt: what shards have
// applied of those (a lost worker's, which they all forget when a chunk is done) is told to who gets them, who then
// counts and computes what there is to, so that each row still reaches each shard once. BadData: two workers hold the
// same, or one what there is not.
Result<std::vector<ChunkQueue::Known>> RangesOf(const EpochSurvey& survey);

}  // namespace sherd
