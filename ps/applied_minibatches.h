#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace sherd {

// Which minibatches of the epoch's open chunks a shard has applied: a few ranges a chunk, since whoever holds a range
// of it pushes in order. When a worker is lost, its successor is told by these what the shard has already.
// Thread-compatible.
class AppliedMinibatches {
 public:
  void Add(std::uint64_t chunk, std::uint32_t minibatch);
  // From `first` on without a gap, up to `end` at most (0: without end): the first one that was not applied.
  std::uint32_t FirstMissing(std::uint64_t chunk, std::uint32_t first, std::uint32_t end) const;

  // All of them, to be added again elsewhere: chunk, first minibatch, the one after the last.
  template <typename Function>
  void ForEachRange(const Function& function) const {
    for (const auto& [chunk, ranges] : chunks_) {
      for (const Range& range : ranges) function(chunk, range.begin, range.end);
    }
  }
  // A range that touches no other one.
  void AddRange(std::uint64_t chunk, std::uint32_t begin, std::uint32_t end) { chunks_[chunk].push_back({begin, end}); }
  // A range of which any part may be there.
  void Fill(std::uint64_t chunk, std::uint32_t begin, std::uint32_t end);

  // Nobody will ask for the chunk again.
  void Forget(std::uint64_t chunk) { chunks_.erase(chunk); }
  void Clear() { chunks_.clear(); }
  std::size_t chunks() const { return chunks_.size(); }

 private:
  struct Range {
    std::uint32_t begin, end;
  };
  std::unordered_map<std::uint64_t, std::vector<Range>> chunks_;  // ranges that do not touch, in no order
};

}  // namespace sherd
