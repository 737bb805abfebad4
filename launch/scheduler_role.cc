#include "launch/scheduler_role.h"

#include <filesystem>
#include <random>

#include "base/job_file.h"
#include "base/simd.h"

namespace sherd {
namespace {

SchedulerOptions::Mode ModeOf(JobRequest::Command command) {
  if (command == JobRequest::Command::kEvaluate) return SchedulerOptions::Mode::kEvaluate;
  if (command == JobRequest::Command::kPredict) return SchedulerOptions::Mode::kPredict;
  return SchedulerOptions::Mode::kTrain;
}

std::string DoneWord(JobRequest::Command command) {
  if (command == JobRequest::Command::kEvaluate) return "evaluated";
  return command == JobRequest::Command::kPredict ? "predicted" : "trained";
}

}  // namespace

SchedulerRole::SchedulerRole(JobRequest::Command command)
    : display_(DisplayStyle(), DisplayWidth(), DoneWord(command), stdout) {
  observers_.Add(&display_);
}

Status SchedulerRole::OpenOutputs(const JobRequest& request) {
  if (!request.metrics.empty()) {
    ASSIGN_OR_RETURN(metrics_, MetricsWriter::Create(request.metrics));
    observers_.Add(metrics_.get());
  }
  if (request.command == JobRequest::Command::kPredict) {
    ASSIGN_OR_RETURN(predictions_, PredictionFile::Create(request.output));
  }
  return {};
}

Result<std::unique_ptr<SchedulerRole>> SchedulerRole::Make(Network* network, const JobRequest& request,
                                                           const LoadedJob& loaded, JobData* data, std::uint64_t job_id,
                                                           const std::string& bind_endpoint) {
  std::unique_ptr<SchedulerRole> role(new SchedulerRole(request.command));
  RETURN_IF_ERROR(role->OpenOutputs(request));
  SchedulerOptions options;
  options.mode = ModeOf(request.command);
  options.job_id = job_id;
  options.job = loaded.job;
  options.model = loaded.model;
  options.statistics = data->statistics();
  options.servers = loaded.plan.servers;
  options.workers = loaded.plan.workers;
  options.spares = loaded.plan.spares;
  options.bind_endpoint = bind_endpoint;
  options.simd = CurrentSimd();
  options.from_checkpoint = loaded.from_checkpoint;
  options.manifest = loaded.manifest;
  options.job_text = JobToText(loaded.job);
  options.keep_checkpoints = !loaded.job.checkpoint().dir().empty() && options.mode == SchedulerOptions::Mode::kTrain;
  if (options.keep_checkpoints) {
    options.checkpoint_dir = std::filesystem::absolute(loaded.job.checkpoint().dir()).lexically_normal().string();
  } else {
    ASSIGN_OR_RETURN(role->checkpoints_, TemporaryDir::Make());
    options.checkpoint_dir = role->checkpoints_->path();
  }
  role->scheduler_ =
      std::make_unique<Scheduler>(network, std::move(options), data, &role->observers_, role->predictions_.get());
  ASSIGN_OR_RETURN(role->endpoint_, role->scheduler_->Bind());
  return role;
}

Status SchedulerRole::Run(SignalWatch* signals) {
  signals->OnStop([this](const std::string&) { scheduler_->RequestStop(); });
  Status status = scheduler_->Run();
  signals->OnStop(nullptr);
  if (status.ok() && predictions_ != nullptr) status = predictions_->Finish();
  display_.Clear();
  if (!status.ok() && metrics_ != nullptr) metrics_->OnFailure(status.text());
  return status;
}

std::uint64_t MakeJobId() {
  std::random_device device;
  return (std::uint64_t{device()} << 32 | device()) | 1;  // 0 is what a header says that has none
}

}  // namespace sherd
