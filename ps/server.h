#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "net/mailbox.h"
#include "proto/job.pb.h"
#include "proto/model_spec.pb.h"

namespace sherd {

struct ServerOptions {
  std::uint64_t job = 0;             // fingerprint; messages of other jobs are refused
  proto::Role role = proto::SERVER;  // or a spare, which holds nothing until a map has a shard there
  std::uint32_t index = 0;           // within the role
  std::uint32_t servers = 1;
  std::uint32_t shards_per_server = 1;
  std::uint32_t incarnation = 1;
  proto::ModelSpec model;
  proto::Train train;  // consistency and seed
  std::string scheduler_endpoint;
  std::uint32_t scheduler_term = 1;
  std::string leaders_dir;  // where another scheduler would say that it has taken over; empty: none would
  // A server's: one a shard. Then, where the job has replicas, as many for followers of other servers' shards, and more
  // for those that maps may bring later.
  std::vector<std::string> bind_endpoints;
  std::uint32_t replicas = 1;
  double scheduler_wait_seconds = 60;  // until it gives up a scheduler that does not answer
  double heartbeat_seconds = 3;
  std::uint64_t memory_budget = 0;  // bytes that the tables of all its shards may take; 0: no limit
  bool compress_checkpoints = false;
  std::string server_dir;  // of checkpoints' folders on this server's own disk; empty: where the scheduler says
  std::string copy_dir;    // that all servers see, for copies that new followers begin with; empty: there can be none
  std::string spill_dir;   // in which each shard that spills makes a folder of its own; empty: none may
};

// A server process, or a spare: one thread and one mailbox for each of its shards, and the calling thread for
// registration and heartbeats. Returns when the scheduler says stop, or with the reason why it can not go on (the
// scheduler is gone).
Status RunServer(Network* network, const ServerOptions& options);

}  // namespace sherd
