#pragma once

#include <cstdint>

#include "proto/job.pb.h"

namespace sherd {

// What the warm-up and the schedule multiply the rate by at a clock: (clock + 1) / warmup_clocks until that is 1, then
// the step or cosine by the clocks since. A pure function without libm: all workers of a job have the same bits.
double ClockFactor(const proto::LearningRate& rate, std::uint64_t clock);

}  // namespace sherd
