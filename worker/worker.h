#pragma once

#include <atomic>
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
  proto::Job job;           // paths resolved
  std::uint32_t cores = 1;  // that are this worker's share of its host
  bool predict = false;     // EVALUATE tasks are predictions: rows need no label
  std::string scheduler_endpoint;
  std::uint32_t scheduler_term = 1;
  std::string leaders_dir;  // where another scheduler would say that it has taken over; empty: none would
  double request_timeout_seconds = 60;
  double scheduler_wait_seconds = 60;  // until it gives up a scheduler that does not answer
  double heartbeat_seconds = 3;
  // True: it is to end what it was dealt, and then leave the job, as soon as the scheduler lets it. Must outlive it.
  const std::atomic<bool>* leave = nullptr;  // nobody will ask
};

// A worker: registers, then does the scheduler's tasks through the pipeline until told to stop. When it can not go on
// it tells the scheduler why; only a reason that the scheduler could not be told is returned.
Status RunWorker(Network* network, const WorkerOptions& options);

}  // namespace sherd
