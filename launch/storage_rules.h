#pragma once

#include <string>
#include <vector>

#include "launch/job_request.h"
#include "proto/job.pb.h"
#include "proto/model_spec.pb.h"

namespace sherd {

// What is wrong with the way the tables of a job's model are to be kept (`model` is the job's), for a command.
std::vector<std::string> StorageProblems(const proto::Job& job, const proto::ModelSpec& model,
                                         JobRequest::Command command);

}  // namespace sherd
