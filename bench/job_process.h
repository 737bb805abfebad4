#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace sherd::bench {

// What became of a job that ran in a process of its own.
struct JobOutcome {
  double rows = 0, seconds = 0;  // trained, by the job's own count
  double auc = 0;                // of the last rows, each before it was trained on
  double cpu_seconds = 0;        // of the process from start to end
  double most_memory = 0;        // bytes of it that were resident at a time
};

// Trains by the `sherd` beside this program, with all roles in one process, and waits for its end. `folder` takes its
// files.
Result<JobOutcome> TrainJob(const std::string& folder, const std::string& job_text);

}  // namespace sherd::bench
