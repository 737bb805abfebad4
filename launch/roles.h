#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/status.h"
#include "launch/role_plan.h"
#include "net/mailbox.h"
#include "proto/job.pb.h"
#include "proto/launch.pb.h"
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
// become one, nor a key file with which one could join, or no folder that all hosts see.
std::string LeadersDirOf(const proto::LaunchPlan& plan);

// How long a rank of the job looks for a scheduler before it gives up.
double SchedulerWaitSeconds(const proto::Job& job);

// What the processes of a job have in common once it starts.
struct JobPlan {
  proto::Job job;
  proto::ModelSpec model;
  RolePlan roles;
  bool predict = false;
  std::uint64_t job_id = 0;  // of this run; messages of others are refused
  std::string scheduler_endpoint;
  std::uint32_t scheduler_term = 1;
  std::string leaders_dir;                   // LeadersDirOf; empty: no other scheduler will come
  std::string verdict_file;                  // of who started the job, beside the one of this process; empty: none
  std::uint64_t memory_budget = 0;           // of a server of this process, in bytes
  std::uint32_t worker_cores = 1;            // of a worker of this process
  const std::atomic<bool>* leave = nullptr;  // a worker of this process is to leave; nullptr: it never is
};

// What a launched process goes by, but for its own memory and cores, and for keys.
Result<JobPlan> JobPlanOf(const proto::LaunchPlan& launch);

// Does a role's work until the scheduler says stop; the error is why it could not go on. Scheduler's role:
// scheduler_role.h.
Status RunRole(Network* network, const JobPlan& plan, const RankRole& role, const Binding& binding);

}  // namespace sherd
