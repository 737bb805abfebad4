#pragma once

#include <cstdint>
#include <memory>
#include <string>

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

// Rank 0's part of a job with all that belongs to it: the scheduler, its view of the data, the display, the file of
// predictions or recommendations. Confined to the thread that made it.
class SchedulerRole {
 public:
  // Binds the scheduler. `loaded`, `data`, `network` and `metrics` (nullptr: none), which is told of all that happens
  // but a failure, must outlive it.
  static Result<std::unique_ptr<SchedulerRole>> Make(Network* network, const JobRequest& request,
                                                     const LoadedJob& loaded, JobData* data, Observer* metrics,
                                                     std::uint64_t job_id, const std::string& bind_endpoint);

  const std::string& endpoint() const { return endpoint_; }
  // Runs the job to its end. From a first signal to end on it is led to an orderly one.
  Status Run(SignalWatch* signals);

 private:
  SchedulerRole(JobRequest::Command command, const proto::Train& train, Observer* metrics);

  ProgressDisplay display_;
  std::unique_ptr<PredictionFile> predictions_;
  std::unique_ptr<RecommendationFile> recommendations_;
  ObserverList observers_;
  PrivacyReport privacy_;
  std::unique_ptr<TemporaryDir> checkpoints_;  // of a job that keeps none
  std::unique_ptr<Scheduler> scheduler_;
  std::string endpoint_;
};

// A number that no other run has.
std::uint64_t MakeJobId();

}  // namespace sherd
