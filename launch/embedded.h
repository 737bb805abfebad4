#pragma once

#include "base/status.h"
#include "launch/job_request.h"
#include "launch/signal_watch.h"

namespace sherd {

// Runs a job in this process: servers and workers as threads that talk over inproc, the scheduler on the calling
// thread.
Status RunEmbedded(const JobRequest& request, SignalWatch* signals);

}  // namespace sherd
