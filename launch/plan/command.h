#pragma once

#include <ostream>

#include "base/status.h"
#include "launch/job_request.h"
#include "launch/signal_watch.h"

namespace sherd {

// `sherd plan`: says what a job needs. docs/data.md is the full text.
Status RunPlanCommand(const JobRequest& request, SignalWatch* signals, std::ostream& out);

}  // namespace sherd
