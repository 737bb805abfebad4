#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "launch/job_request.h"
#include "launch/mpirun_job.h"
#include "launch/roles.h"
#include "launch/signal_watch.h"
#include "net/mailbox.h"

namespace sherd {

// A spare's watch over the job's scheduler, by what it writes again and again (base/leadership.h). Thread-compatible.
class SchedulerBeat {
 public:
  // The scheduler is lost when nothing has changed for `patience`. Later spares have more of it, lest all of them try.
  SchedulerBeat(std::string dir, std::uint64_t job, std::chrono::milliseconds patience)
      : dir_(std::move(dir)), job_(job), patience_(patience) {}

  // Looks. True: it is lost. Of a job whose scheduler writes nothing it never is.
  bool Lost(Deadline now);
  // Of the scheduler that was looked at; 0: none was there.
  std::uint32_t term() const { return term_; }

 private:
  const std::string dir_;
  const std::uint64_t job_;
  const std::chrono::milliseconds patience_;
  std::uint32_t term_ = 0;
  std::string beat_;
  Deadline changed_;
};

// A spare's part of a job under mpirun: waits for a place, or has followers of shards; beside that it becomes the
// job's scheduler when that is lost, and then speaks for the job.
RankOutcome RunSpareRank(Network* network, const JobRequest& request, const JobPlan& plan, const RankRole& role,
                         const Binding& binding, SignalWatch* signals);

}  // namespace sherd
