#pragma once

#include <cstdint>

#include "proto/job.pb.h"

namespace sherd {

// How many threads and minibatches a worker's pipeline has. Immutable.
struct PipelineShape {
  std::uint32_t compute_threads = 1;  // no more than max_in_flight
  std::uint32_t max_in_flight = 1;    // minibatches pulled and not yet pushed

  // As the job says; where it says nothing, for a worker with so many cores: a compute thread for each, and minibatches
  // for all of them and one more that is on its way. In BSP a pull comes after the push before it, so there is one of
  // each; a bound on the staleness of dense weights lets no more compute at once than it says, and one.
  static PipelineShape Choose(const proto::Job& job, std::uint32_t cores);
};

}  // namespace sherd
