#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "launch/job_request.h"
#include "launch/plan/key_growth.h"
#include "launch/plan/trial_run.h"
#include "launch/row_cost.h"
#include "launch/signal_watch.h"

namespace sherd {

struct PlanOptions {
  std::uint64_t sample_rows = 1'000'000;
  double seconds = 10;  // of the short run, at most
};

// What a job needs, as far as a sample of its rows and a short run tell.
struct Plan {
  struct Field {
    std::string name, table;
    double sampled = 0;  // distinct keys of the sample
    Estimate keys;       // of all training rows
  };
  struct Table {
    std::string name;
    Estimate rows;         // one for each key that is admitted and not evicted: at most these
    bool limited = false;  // by max_rows, max_bytes, admission or age
    RowCost memory;        // of a row
    double disk = 0;       // bytes of a row in a checkpoint
  };

  std::uint64_t sampled_rows = 0;
  double rows = 0;        // of the training files
  bool all_rows = false;  // the sample is all of them
  std::vector<Field> fields;
  std::vector<Table> tables;
  std::uint64_t dense_parameters = 0;
  double dense_bytes = 0;  // with the optimizers' state
  std::uint32_t servers = 0, workers = 0, epochs = 0;
  std::uint32_t replicas = 1;  // of each shard
  double memory_budget = 0;    // of a server that has a host like this one to itself, or as the job says
  TrialRun run;
  double disk_bytes_per_second = 0;    // how fast a checkpoint is written …
  bool disk_measured_by_file = false;  // … measured on a large file, for the run's own checkpoint was too small

  double TableBytes(double Estimate::*which) const;
  // Of all servers together, followers too: tables, dense blocks, and what checkpoints need beside them
  // (docs/tables.md).
  double MemoryBytes(double Estimate::*which) const;
  double CheckpointBytes() const;
  // The fewest whose memory holds the upper estimate.
  std::uint32_t ServersNeeded() const;
};

Result<Plan> MakePlan(const JobRequest& request, const PlanOptions& options, SignalWatch* signals);

}  // namespace sherd
