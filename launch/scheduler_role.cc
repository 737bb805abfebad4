#include "launch/scheduler_role.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <random>

#include "base/file.h"
#include "base/job_file.h"
#include "base/simd.h"
#include "launch/job_flags.h"
#include "launch/verdict.h"

namespace sherd {
namespace {

constexpr char kStartName[] = "start";

SchedulerOptions::Mode ModeOf(JobRequest::Command command) {
  if (command == JobRequest::Command::kEvaluate) return SchedulerOptions::Mode::kEvaluate;
  if (command == JobRequest::Command::kPredict) return SchedulerOptions::Mode::kPredict;
  if (command == JobRequest::Command::kRecommend) return SchedulerOptions::Mode::kRecommend;
  return SchedulerOptions::Mode::kTrain;
}

ProgressDisplay::Wording WordsOf(JobRequest::Command command) {
  if (command == JobRequest::Command::kEvaluate) return {"evaluated"};
  if (command == JobRequest::Command::kRecommend) return {"recommended", "lists"};
  return {command == JobRequest::Command::kPredict ? "predicted" : "trained"};
}

// The folder of the job's checkpoints. That nothing can be written there should be known before hours of training.
Result<std::string> PrepareCheckpointDir(const std::string& said) {
  const std::string dir = std::filesystem::absolute(said).lexically_normal().string();
  RETURN_IF_ERROR(MakeDirectory(dir).Annotate("checkpoint.dir"));
  if (access(dir.c_str(), W_OK | X_OK) != 0) return Status::Io("checkpoint.dir: write to " + dir, errno);
  return dir;
}

}  // namespace

SchedulerRole::SchedulerRole(JobRequest::Command command, const proto::Train& train, Observer* metrics)
    : display_(DisplayStyle(), DisplayWidth(), WordsOf(command), stdout), privacy_(train, &observers_) {
  observers_.Add(&display_);
  if (metrics != nullptr) observers_.Add(metrics);
  if (train.has_dp()) observers_.Add(&privacy_);
}

Result<std::unique_ptr<SchedulerRole>> SchedulerRole::Make(Network* network, const JobRequest& request,
                                                           const LoadedJob& loaded, JobData* data, Observer* metrics,
                                                           const Seat& seat) {
  std::unique_ptr<SchedulerRole> role(new SchedulerRole(request.command, loaded.job.train(), metrics));
  if (request.command == JobRequest::Command::kPredict) {
    ASSIGN_OR_RETURN(role->predictions_, PredictionFile::Create(request.output));
  }
  if (request.command == JobRequest::Command::kRecommend) {
    ASSIGN_OR_RETURN(role->recommendations_,
                     RecommendationFile::Create(request.output, loaded.job.recommend(), data->recommending()));
  }
  SchedulerOptions options;
  options.mode = ModeOf(request.command);
  options.job_id = seat.job_id;
  options.term = seat.term;
  options.job = loaded.job;
  options.model = loaded.model;
  options.statistics = data->statistics();
  options.servers = loaded.plan.servers;
  options.workers = loaded.plan.workers;
  options.spares = loaded.plan.spares;
  options.bind_endpoint = seat.bind_endpoint;
  options.simd = CurrentSimd();
  options.from_checkpoint = loaded.from_checkpoint;
  options.manifest = loaded.manifest;
  options.fallbacks = loaded.fallbacks;
  options.warm_start = loaded.warm_start;
  options.against = loaded.against;
  options.job_text = JobToText(loaded.job);
  options.keep_checkpoints = !loaded.job.checkpoint().dir().empty() && options.mode == SchedulerOptions::Mode::kTrain;
  if (options.keep_checkpoints) {
    role->keeps_checkpoints_ = true;
    ASSIGN_OR_RETURN(options.checkpoint_dir, PrepareCheckpointDir(loaded.job.checkpoint().dir()));
  } else {
    ASSIGN_OR_RETURN(role->checkpoints_, TemporaryDir::Make());
    options.checkpoint_dir = role->checkpoints_->path();
  }
  options.on_verdict = [file = seat.verdict_file](const Status& verdict) {
    LeaveVerdict(ExitCodeOf(verdict));
    if (!file.empty()) LeaveVerdictIn(file, ExitCodeOf(verdict));
  };
  role->scheduler_ = std::make_unique<Scheduler>(network, std::move(options), data, &role->observers_,
                                                 role->predictions_.get(), role->recommendations_.get());
  ASSIGN_OR_RETURN(role->endpoint_, role->scheduler_->Bind());
  if (seat.leaders_dir.empty() || !role->keeps_checkpoints_) return role;
  ASSIGN_OR_RETURN(const bool taken, role->TakeTerm(seat, loaded, data->statistics()));
  return taken ? std::move(role) : nullptr;
}

Result<bool> SchedulerRole::TakeTerm(const Seat& seat, const LoadedJob& loaded, const proto::Statistics& statistics) {
  if (seat.term == 1) {  // what a job before this one has left
    RETURN_IF_ERROR(RemoveTree(seat.leaders_dir));
    RETURN_IF_ERROR(MakeDirectory(seat.leaders_dir));
    proto::JobStart start;
    *start.mutable_statistics() = statistics;
    if (!loaded.from_checkpoint.empty()) start.set_from_checkpoint(AbsolutePath(loaded.from_checkpoint));
    *start.mutable_warm_start() = loaded.warm_start;
    RETURN_IF_ERROR(WriteFileAtomically(JoinPath(seat.leaders_dir, kStartName), start.SerializeAsString()));
  }
  proto::Leader leader;
  leader.set_job(seat.job_id);
  leader.set_term(seat.term);
  leader.set_endpoint(endpoint_);
  const std::chrono::milliseconds beat(static_cast<std::int64_t>(1000 * loaded.job.cluster().heartbeat_timeout() / 3));
  ASSIGN_OR_RETURN(leadership_, Leadership::Claim(seat.leaders_dir, leader, beat));
  if (leadership_ == nullptr) return false;
  leaders_dir_ = seat.leaders_dir;
  scheduler_->Lead(leadership_.get(), leaders_dir_);
  return true;
}

Result<proto::JobStart> JobStartIn(const std::string& leaders_dir) {
  const std::string path = JoinPath(leaders_dir, kStartName);
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  proto::JobStart start;
  if (!start.ParseFromString(bytes)) return Status::BadData(path + ": is not what a scheduler has written");
  return start;
}

Status SchedulerRole::Run(SignalWatch* signals) {
  signals->OnStop([this](const std::string&) { scheduler_->RequestStop(); });
  signals->OnCheckpoint([this] { scheduler_->RequestCheckpoint(); });
  const Status status = scheduler_->Run();
  signals->OnCheckpoint(nullptr);
  signals->OnStop(nullptr);
  display_.Clear();
  if (leadership_ == nullptr || replaced()) return status;
  leadership_->End();
  const Status removed = RemoveTree(leaders_dir_);
  LOG_IF(WARNING, !removed.ok()) << removed.text();
  return status;
}

std::uint64_t MakeJobId() {
  std::random_device device;
  return (std::uint64_t{device()} << 32 | device()) | 1;  // 0 is what a header says that has none
}

}  // namespace sherd
