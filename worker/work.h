#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/aligned_buffer.h"
#include "net/message.h"
#include "proto/wire.pb.h"
#include "worker/data/minibatch.h"
#include "worker/unique_keys.h"

namespace sherd {

inline constexpr std::size_t kLogitBins = 256;  // over [-8, 8], the outer ones open

// What travels through the pipeline: a minibatch with everything that a later stage needs of it. Each part is written
// by one stage before the work is handed on. A work without rows carries the end of a chunk, or of the epoch, in its
// place in the order.
struct Work {
  // From the reader.
  std::shared_ptr<const proto::Task> task;
  Minibatch minibatch;
  bool ends_chunk = false;
  std::uint64_t read_rows = 0, bad_rows = 0;  // since the work before this one
  std::uint32_t next_minibatch = 0;           // of the chunk: the one after this
  std::uint32_t applied_rows = 0;             // of a minibatch that all shards have: the work itself has no rows then
  std::uint64_t clock = 0;                    // training: of the worker
  float learning_rate_scale = 1;
  std::vector<UniqueKeys> keys;  // by table

  // From the communicator. Frames by shard, one for each table that has keys there.
  std::vector<std::vector<Frame>> values;
  std::vector<Frame> dense_values;  // by shard
  std::vector<UniqueKeys> missing;  // by table, where rows are kept: the keys that are pulled; inverse: their
                                    // places among the shard's
  std::vector<AlignedBuffer<float>>
      decoded;  // by shard: what `values` are views of, where they came encoded or in part
  std::vector<AlignedBuffer<float>> dense_decoded;  // by shard: the same for `dense_values`
  std::vector<std::uint64_t> pulls;                 // by shard: the number of the pull of the keys, until it is pushed
  std::uint32_t unanswered = 0;                     // requests under way that have no answer yet
  std::uint64_t staleness = 0;                      // the largest over the shards, clocks
  std::vector<double> push_seconds;                 // by shard: from sending the push to its answer

  // From the trainer. Sums over the minibatch's rows.
  std::vector<AlignedBuffer<float>> gradients;        // by table: [unique keys, floats of a row]
  std::vector<AlignedBuffer<float>> dense_gradients;  // by shard: its blocks in ascending number, no padding
  std::vector<AlignedBuffer<std::byte>> encoded;      // by table, then by shard: gradients as they travel, if not FP32
  double loss_sum = 0;
  double absolute_error_sum = 0;                             // squared error alone
  std::array<std::uint32_t, kLogitBins> positive, negative;  // logits of the rows by label; empty with squared error
  std::vector<float> scores;                // evaluation: one a row, or a vector a row, or a row's shares
  std::vector<std::uint32_t> share_counts;  // explaining: how many scores are a row's
  bool computed = false;                    // the communicator's note: it has it back

  bool is(proto::Task::Kind kind) const { return task->kind() == kind; }
  bool has_rows() const { return minibatch.rows > 0; }
  // The shard has its gradients from the worker that was at this chunk before.
  bool applied_by(std::uint32_t shard) const {
    return static_cast<int>(shard) < task->applied_size() && minibatch.index < task->applied(static_cast<int>(shard));
  }
  bool applied_by_any() const {
    for (int shard = 0; shard < task->applied_size(); ++shard) {
      if (minibatch.index < task->applied(shard)) return true;
    }
    return false;
  }
  // The pulled values' memory goes back to whoever sent it.
  void LetGoOfValues();
};

using WorkPtr = std::shared_ptr<Work>;

// Works are used again, with all their buffers, once nobody holds them: neither a stage nor a frame that is still on
// its way to a shard. Once there are enough of them no memory is taken. Thread-safe; works may outlive their pool.
class WorkPool {
 public:
  WorkPool();

  // With the reader's part cleared; the minibatch is its reader's to clear.
  WorkPtr Take();

 private:
  struct Node;
  class FreeList;
  template <typename T>
  struct Allocator;

  std::shared_ptr<FreeList> free_;
};

}  // namespace sherd
