#pragma once

#include "base/status.h"
#include "launch/job_request.h"
#include "launch/signal_watch.h"

namespace sherd {

// Runs this rank's part of a job under mpirun. On rank 0 the status is the job's; on others it is an error only when
// rank 0 can not know of it.
Status RunUnderMpi(const JobRequest& request, SignalWatch* signals);

}  // namespace sherd
