#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "launch/job_request.h"
#include "launch/role_plan.h"
#include "proto/checkpoint.pb.h"
#include "proto/job.pb.h"
#include "proto/model_spec.pb.h"
#include "scheduler/scheduler.h"

namespace sherd {

// A job that has been found good as far as that can be told without reading its data.
struct LoadedJob {
  proto::Job job;  // flags applied, data_dir absolute
  proto::ModelSpec model;
  RolePlan plan;
  std::string from_checkpoint;                  // folder to begin from; empty: from nothing
  proto::Manifest manifest;                     // of from_checkpoint
  std::vector<StartingPoint> fallbacks;         // older ones of the same folder, the newest first
  std::string against;                          // evaluate: folder of the checkpoint to compare with; empty: none
  proto::LoadCheckpoint warm_start;             // of a job that begins from nothing else
  std::optional<proto::Statistics> statistics;  // of the training rows, where they are known
  std::vector<std::string> notes;               // for the user: a checkpoint that was passed over, say
};

// Reads the job file, applies the flags and checks all that can be checked: the rules of proto/job.proto, the model,
// its features, the roles for `ranks` ranks (0 or 1: one process), the checkpoint to begin from. Invalid lists every
// problem, one a line.
Result<LoadedJob> LoadJob(const JobRequest& request, std::uint32_t ranks);

// The part of it that needs no files: what is wrong with a job, whose values are within their rules, for a command.
std::vector<std::string> FindContradictions(const proto::Job& job, JobRequest::Command command);

}  // namespace sherd
