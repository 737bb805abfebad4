#pragma once

#include "base/status.h"
#include "launch/job_request.h"
#include "launch/signal_watch.h"

namespace sherd {

struct RankOutcome {
  // The job's, of who speaks for it; of others an error only when that one can not know of it.
  Status status;
  bool speaks_for_job = false;
};

// Runs this rank's part of a job under mpirun. Rank 0 speaks for the job, unless a spare has taken it over.
RankOutcome RunUnderMpi(const JobRequest& request, SignalWatch* signals);

}  // namespace sherd
