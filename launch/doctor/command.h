#pragma once

#include <ostream>

#include "base/status.h"
#include "launch/job_request.h"
#include "launch/signal_watch.h"

namespace sherd {

// `sherd doctor JOB`, alone or on all ranks of an mpirun: looks for what would keep the job from running, or from
// running well, before hours of it. Rank 0 prints what was found. An error: something is wrong, and `out` says what.
Status RunDoctor(const JobRequest& request, const SignalWatch* signals, std::ostream& out);

}  // namespace sherd
