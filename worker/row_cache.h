#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/hash.h"
#include "worker/parameter_layout.h"
#include "worker/work.h"

namespace sherd {

// The rows of one table that a worker has pulled, each at the one place that its key has, where the row pulled last
// stays (a direct-mapped cache). A row is good for a number of clocks. Takes all its memory when it is made.
// Thread-compatible.
class RowCache {
 public:
  struct Row {
    const float* values;  // null: it is not here, or too old
    std::uint64_t as_of;  // all updates of clocks before this one are in it
  };

  // At least one row, and no more than `rows`. Each is good for `clocks` clocks after that of its pull.
  RowCache(std::uint32_t floats, std::uint32_t rows, std::uint32_t clocks);

  Row Find(Key key, std::uint64_t clock) const;
  void Put(Key key, std::uint64_t clock, std::uint64_t as_of, const float* values);
  void Clear();

 private:
  struct Entry {
    Key key = 0;
    std::uint64_t pulled = 0, as_of = 0;
    bool empty = true;
  };
  std::size_t PlaceOf(Key key) const { return Mix(key) & mask_; }

  const std::uint32_t floats_, clocks_;
  const std::size_t mask_;  // places - 1, a power of two less one
  std::vector<Entry> entries_;
  AlignedBuffer<float> values_;  // [places, floats]
};

// What of a work's rows has to be pulled, where a worker keeps those that it has. Takes its memory with the first work.
// Confined to the communicator's thread.
class RowCaches {
 public:
  struct Options {
    std::uint32_t clocks = 0;  // 0: none is kept
    std::uint32_t rows = 1 << 17;
  };

  // `layout` must outlive it.
  RowCaches(const Options& options, const ParameterLayout* layout) : options_(options), layout_(layout) {}

  // Is it of any use for this work? Evaluation is by rows as they are.
  bool Serves(const Work& work) const { return options_.clocks > 0 && work.is(proto::Task::TRAIN); }
  // Fills work->missing, puts the rows that are here into their places in work->decoded, and notes their staleness.
  void GiveKept(Work* work);
  // work->values[shard] has the missing rows as they came, with the clock of their answer: they go to their places, and
  // are kept. The frames are views of all rows then.
  void TakePulled(std::uint32_t shard, std::uint64_t answer_clock, proto::Encoding encoding, Work* work);
  void Clear();

 private:
  const Options options_;
  const ParameterLayout* const layout_;
  std::vector<RowCache> tables_;
  std::vector<Frame> views_;  // of the answer at hand
};

}  // namespace sherd
