#pragma once

#include "base/status.h"
#include "launch/job_request.h"

namespace sherd {

// Prints what a checkpoint holds: the job, where it stands, its tables with their rows and what they will take in
// memory as the job keeps them. `request.checkpoint` is the checkpoint's folder, or a job's, of which the newest is
// shown. Reads all of it, so what is damaged is found.
Status InspectCheckpoint(const JobRequest& request);

}  // namespace sherd
