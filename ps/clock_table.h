#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>

namespace sherd {

// The clocks of an epoch's live workers as one shard sees them: how many minibatches of each it has taken. Workers
// outside the epoch have none. Thread-compatible.
class ClockTable {
 public:
  static constexpr std::uint64_t kRetired = std::numeric_limits<std::uint64_t>::max();

  // A new epoch: these workers, each at `clock`.
  template <typename Workers>
  void Start(std::uint64_t clock, const Workers& workers) {
    clocks_.clear();
    for (const std::uint32_t worker : workers) clocks_[worker] = clock;
  }
  void Clear() { clocks_.clear(); }
  // A live worker of a table that is being restored.
  void Restore(std::uint32_t worker, std::uint64_t clock) { clocks_[worker] = clock; }
  const std::map<std::uint32_t, std::uint64_t>& clocks() const { return clocks_; }

  bool live(std::uint32_t worker) const { return clocks_.contains(worker); }
  bool retired(std::uint32_t worker) const { return at(worker) == kRetired; }
  // Of a live worker.
  std::uint64_t at(std::uint32_t worker) const { return clocks_.at(worker); }
  void Set(std::uint32_t worker, std::uint64_t clock) { clocks_.at(worker) = clock; }
  void Retire(std::uint32_t worker) { Set(worker, kRetired); }

  // kRetired when no worker is left.
  std::uint64_t smallest() const {
    std::uint64_t least = kRetired;
    for (const auto& [worker, clock] : clocks_) least = std::min(least, clock);
    return least;
  }
  // Does `wanted` hold for every live worker that has not retired?
  template <typename Predicate>
  bool AllUnretired(const Predicate& wanted) const {
    return std::ranges::all_of(clocks_,
                               [&](const auto& entry) { return entry.second == kRetired || wanted(entry.first); });
  }

 private:
  std::map<std::uint32_t, std::uint64_t> clocks_;
};

}  // namespace sherd
