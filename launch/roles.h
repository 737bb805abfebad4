#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "launch/role_plan.h"
#include "net/mailbox.h"
#include "proto/job.pb.h"
#include "proto/model_spec.pb.h"

namespace sherd {

// Where the sockets of one process are bound.
struct Binding {
  enum class Kind { kInproc, kIpc, kTcp };
  Kind kind = Kind::kInproc;
  std::string where;  // ipc: the folder; tcp: this host's address

  // "inproc://NAME", "ipc://FOLDER/NAME", "tcp://ADDRESS:*".
  std::string Endpoint(const std::string& name) const;
};

// The folder in which the job's schedulers follow one another (base/leadership.h); empty: there is no spare that could
// become one, or no folder that all hosts see.
std::string LeadersDirOf(const proto::Job& job);

// What the processes of a job have in common once it starts.
struct JobPlan {
  proto::Job job;
  proto::ModelSpec model;
  RolePlan roles;
  bool predict = false;
  std::uint64_t job_id = 0;  // of this run; messages of others are refused
  std::string scheduler_endpoint;
  std::uint64_t memory_budget = 0;  // of a server of this process, in bytes
  std::uint32_t worker_cores = 1;   // of a worker of this process
};

// Does a role's work until the scheduler says stop; the error is why it could not go on. Scheduler's role:
// scheduler_role.h.
Status RunRole(Network* network, const JobPlan& plan, const RankRole& role, const Binding& binding);

}  // namespace sherd
