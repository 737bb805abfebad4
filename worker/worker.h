#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "net/mailbox.h"
#include "proto/job.pb.h"

namespace sherd {

struct WorkerOptions {
  std::uint64_t job_id = 0;
  std::uint32_t index = 0;
  std::uint32_t incarnation = 1;
  proto::Job job;        // paths resolved
  bool predict = false;  // EVALUATE tasks are predictions: rows need no label
  std::string scheduler_endpoint;
  double request_timeout_seconds = 60;
  double heartbeat_seconds = 3;
};

// A worker: registers, then does the scheduler's tasks through the pipeline until told to stop. Returns the reason when
// it can not go on; the scheduler has been told, where it could be.
Status RunWorker(Network* network, const WorkerOptions& options);

}  // namespace sherd
