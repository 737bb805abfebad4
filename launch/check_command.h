#pragma once

#include "base/status.h"
#include "launch/job_request.h"

namespace sherd {

// `sherd check`: validates a job and the first rows of its data, and says what the job amounts to.
Status CheckJob(const JobRequest& request);

}  // namespace sherd
