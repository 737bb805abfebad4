#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "launch/job_loading.h"
#include "launch/plan/data_sample.h"
#include "launch/signal_watch.h"
#include "scheduler/observer.h"

namespace sherd {

// What a short training run came to, all roles in this process.
struct TrialRun {
  std::uint64_t rows = 0;
  double seconds = 0;              // that these took
  double rows_per_second = 0;      // once it was under way
  double cpu_seconds_a_row = 0;    // of the process, with all roles
  double network_bytes_a_row = 0;  // of all messages
  std::vector<StageReport> stages;
  // The checkpoint at its end.
  double checkpoint_bytes = 0, checkpoint_seconds = 0;
  std::uint64_t checkpoint_rows = 0;  // of all tables
};

// Trains on the sample's chunks, for so many seconds at most. Its checkpoint
// stays in `folder`, which is there and empty.
Result<TrialRun> RunTrial(const LoadedJob& loaded, const DataSample& sample, double seconds, const std::string& folder,
                          SignalWatch* signals);

}  // namespace sherd
