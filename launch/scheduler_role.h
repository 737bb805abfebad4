#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/leadership.h"
#include "base/status.h"
#include "launch/job_data.h"
#include "launch/job_loading.h"
#include "launch/observer_list.h"
#include "launch/prediction_file.h"
#include "launch/privacy_report.h"
#include "launch/progress_display.h"
#include "launch/recommendation_file.h"
#include "launch/signal_watch.h"
#include "launch/temporary_dir.h"
#include "scheduler/scheduler.h"

namespace sherd {

// The part of a job of rank 0, or of who takes over from it, with all that belongs to it: the scheduler, its view of
// the data, the display, the file of predictions or recommendations. Confined to the thread that made it.
class SchedulerRole {
 public:
  struct Seat {
    std::uint64_t job_id = 0;
    std::string bind_endpoint;
    std::uint32_t term = 1;         // from 2 on: it takes the job over from the scheduler of the term before
    std::string leaders_dir = {};   // of base/leadership.h; empty: nobody will be able to take over
    std::string verdict_file = {};  // besides this process's own; empty: none
  };
  // Binds the scheduler, and takes its term: nothing, if somebody else has it. `loaded`, `data`, `network` and
  // `metrics` (nullptr: none), which is told of all that happens but a failure, must outlive it.
  static Result<std::unique_ptr<SchedulerRole>> Make(Network* network, const JobRequest& request,
                                                     const LoadedJob& loaded, JobData* data, Observer* metrics,
                                                     const Seat& seat);

  const std::string& endpoint() const { return endpoint_; }
  // Runs the job to its end. From a first signal to end on it is led to an orderly one.
  Status Run(SignalWatch* signals);
  // Another one can take over from it.
  bool leads() const { return leadership_ != nullptr; }
  // After Run: somebody else has taken the job over, and speaks for it.
  bool replaced() const { return scheduler_->replaced(); }

 private:
  SchedulerRole(JobRequest::Command command, const proto::Train& train, Observer* metrics);
  Result<bool> TakeTerm(const Seat& seat, const LoadedJob& loaded, const proto::Statistics& statistics);

  ProgressDisplay display_;
  std::unique_ptr<PredictionFile> predictions_;
  std::unique_ptr<RecommendationFile> recommendations_;
  ObserverList observers_;
  PrivacyReport privacy_;
  std::unique_ptr<TemporaryDir> checkpoints_;  // of a job that keeps none
  bool keeps_checkpoints_ = false;
  std::unique_ptr<Leadership> leadership_;
  std::string leaders_dir_;
  std::unique_ptr<Scheduler> scheduler_;
  std::string endpoint_;
};

// What the first scheduler has left there for others.
Result<proto::JobStart> JobStartIn(const std::string& leaders_dir);

// A number that no other run has.
std::uint64_t MakeJobId();

}  // namespace sherd
