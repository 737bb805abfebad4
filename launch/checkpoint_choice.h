#pragma once

#include <string>
#include <vector>

#include "base/manifest.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "proto/job.pb.h"
#include "scheduler/scheduler.h"

namespace sherd {

struct CheckpointChoice {
  std::string dir;  // empty: there is none
  proto::Manifest manifest;
  std::vector<StartingPoint> before;     // whole ones too, the newest first
  std::vector<std::string> passed_over;  // newer ones that are not whole: which, and why
};

// The newest checkpoint of a job's folder that is whole, and those before it.
CheckpointChoice ChooseCheckpoint(const std::string& job_dir);

// Invalid, naming the fields that differ, when the checkpoint is of another model than the job's.
Status CheckSameModel(const proto::Manifest& manifest, const proto::Job& job, const std::string& dir);

// Invalid when the job can not resume where the checkpoint stands: with another seed, which is where rows that were
// never seen begin; or in the middle of an epoch, whose positions count minibatches of certain rows, with another value
// of a field that says which rows those are. Names the fields with both values.
Status CheckSamePositions(const proto::Manifest& manifest, const proto::Job& job, const std::string& dir);

}  // namespace sherd
