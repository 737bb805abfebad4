#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/status.h"
#include "launch/rank_group.h"

namespace sherd {

// The ranks of a run and the threads of each, as one: they share out work that is done in any order. The ranks tell one
// another by MPI, many times a second, how far they are: if one fails, or is lost, or is asked to stop, all end.
// Collective: every rank calls the same in the same order. Confined to one thread, but for Stop.
class Crew {
 public:
  // `group` must stay; none: this process is alone.
  Crew(RankGroup* group, std::uint32_t threads);
  ~Crew();

  std::uint32_t rank() const { return group_->rank(); }
  std::uint32_t ranks() const { return group_->size(); }
  std::uint32_t threads() const { return threads_; }

  // Calls `work` once for each number below `count`, somewhere, on threads of its own; number i is done by rank i
  // modulo ranks, in ascending order on each. Returns when it is all done, with the same outcome everywhere: that of
  // the first rank that failed. `work` should return when stopping() is set.
  Status Run(std::size_t count, const std::function<Status(std::size_t)>& work);

  // From any thread: work ends soon, with Stopped and this reason. Work that is begun later does not stop.
  void Stop(const std::string& reason);
  const std::atomic<bool>& stopping() const { return stopping_; }

 private:
  class Shift;

  std::unique_ptr<RankGroup> alone_;
  RankGroup* const group_;
  const std::uint32_t threads_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::string reason_;
};

}  // namespace sherd
