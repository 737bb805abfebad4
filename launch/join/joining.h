#pragma once

#include <string>

#include "base/status.h"
#include "launch/job_request.h"
#include "launch/signal_watch.h"
#include "proto/launch.pb.h"

namespace sherd {

// `sherd join`: a process that takes part in a job that runs already, started by hand or by an mpirun of its own. What
// it needs to know stands in the folder in which the job's schedulers follow one another (base/leadership.h): the
// launch plan, in the file `plan`, without a key; who joins has the key file.

// Rank 0's part, of a job that was started with a key file, before it begins.
Status LetJoin(const JobRequest& request, const std::string& leaders_dir, proto::LaunchPlan plan);

// Takes a place as a spare or a worker, and does its work until the job is over. Invalid: the command line, the job
// file or the key file are not the job's; Unavailable: no such job runs. Of a spare that has led the job at its end:
// what the job has come to.
Status JoinJob(const JobRequest& request, SignalWatch* signals);

}  // namespace sherd
