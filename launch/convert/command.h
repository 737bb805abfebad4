#pragma once

#include "base/status.h"
#include "launch/job_request.h"
#include "launch/signal_watch.h"

namespace sherd {

// `sherd convert`, alone or under mpirun: from the text files of a job to row files and a job that reads them. Every
// rank calls it; rank 0 returns how it ended.
Status RunConvert(const JobRequest& request, SignalWatch* signals);

}  // namespace sherd
