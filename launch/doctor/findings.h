#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "launch/role_plan.h"
#include "proto/doctor.pb.h"
#include "proto/job.pb.h"

namespace sherd {

// All that the ranks have found, by rank.
struct Examination {
  proto::Job job;
  RolePlan roles;
  bool tcp = false;  // connections will go over TCP
  std::vector<proto::HostReport> hosts;
  std::vector<proto::ReachReport> reach;  // empty: of a run without mpirun
};

// What would keep the job from running, or from running well: each with what to do, most of them once a host.
std::vector<std::string> Problems(const Examination& examination);

// Everything that was measured, as tables: ranks, reach and rates of links, disks.
void PrintExamination(const Examination& examination, std::ostream& out);

}  // namespace sherd
