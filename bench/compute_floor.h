#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "bench/memory_rows.h"

namespace sherd::bench {

// Training without a parameter server: forward, loss and backward of a job's minibatches, on rows that stand in an
// array and are never updated, a model a thread.
class ComputeFloor {
 public:
  static Result<std::unique_ptr<ComputeFloor>> Make(const MemoryJob& made, std::uint32_t threads);
  ~ComputeFloor();

  // Each thread computes so many minibatches. Seconds until the last has ended.
  double Run(std::uint64_t minibatches_a_thread);

 private:
  class Lane;

  ComputeFloor();

  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace sherd::bench
