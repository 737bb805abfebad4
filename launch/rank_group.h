#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"

namespace sherd {

// The ranks of a run while they still talk by MPI. Collective: every rank calls the same in the same order. Confined to
// one thread. Waits sleep rather than spin, and none is without a deadline.
class RankGroup {
 public:
  virtual ~RankGroup() = default;
  virtual std::uint32_t rank() const = 0;
  virtual std::uint32_t size() const = 0;
  // Rank 0's `text` to all.
  virtual Status Broadcast(std::string* text, double seconds) = 0;
  // The texts of all ranks, in their order, to all.
  virtual Result<std::vector<std::string>> Gather(const std::string& text, double seconds) = 0;
};

}  // namespace sherd
