#include "launch/join/joining.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>

#include "base/file.h"
#include "base/hash.h"
#include "base/host_name.h"
#include "base/job_file.h"
#include "base/leadership.h"
#include "base/record_file.h"
#include "base/simd.h"
#include "launch/host_address.h"
#include "launch/job_flags.h"
#include "launch/keys/key_file.h"
#include "launch/memory_budget.h"
#include "launch/plan_network.h"
#include "launch/process_log.h"
#include "launch/roles.h"
#include "launch/standby.h"

namespace sherd {
namespace {

constexpr char kPlanName[] = "plan";

Result<std::string> ReadJobFile(const std::string& path) {
  auto text = ReadFile(path);
  return text.ok() ? std::move(text) : Status::Invalid(text.status().text());
}

// Where the schedulers of the job with this file would be.
Result<std::string> FolderOf(const JobRequest& request, const std::string& job_text, std::string* name) {
  ASSIGN_OR_RETURN(proto::Job job, ParseJob(job_text, request.job_file));
  for (const std::string& problem : ApplyFlags(request.flags, &job)) return Status::Invalid(problem);
  *name = job.name();
  if (!job.checkpoint().dir().empty()) return JoinPath(AbsolutePath(job.checkpoint().dir()), kLeadersFolder);
  return Status::Invalid(request.job_file +
                         ": checkpoint.dir: is how a job is found that is to be joined; give it as "
                         "the job's own --checkpoint_dir was");
}

Result<proto::LaunchPlan> PlanIn(const std::string& leaders_dir) {
  const std::string path = JoinPath(leaders_dir, kPlanName);
  if (!std::filesystem::exists(path)) {
    ASSIGN_OR_RETURN(const std::uint32_t term, GreatestTerm(leaders_dir));
    if (term == 0) return Status::Unavailable("no job runs that keeps its checkpoints beside " + leaders_dir);
    return Status::Invalid(leaders_dir + ": the job was started without --key_file, so nobody can join it");
  }
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  proto::LaunchPlan plan;
  if (!plan.ParseFromString(bytes)) return Status::BadData(path + ": is not what a scheduler has written");
  return plan;
}

// The job that runs there is the one that is meant, and the key file is its own.
Status CheckSameJob(const JobRequest& request, const std::string& name, const std::string& job_text,
                    const std::string& leaders_dir, const proto::LaunchPlan& plan, const CurveKeys& keys) {
  if (plan.job().name() != name) {
    return Status::Invalid(leaders_dir + ": another job runs there: " + plan.job().name() + ", not " + name);
  }
  if (plan.job_file() != HashBytes(job_text)) {
    return Status::Invalid(request.job_file +
                           ": is not the file that the job was started with: it has been changed, "
                           "or is another one");
  }
  if (plan.key_fingerprint() != KeyFingerprint(keys)) {
    return Status::Invalid("--key_file: " + request.key_file + " has other keys than the job");
  }
  return {};
}

// As the ranks of the job are: in its folder, with its SIMD target, within reach of its sockets.
Status TakeSurroundings(const proto::LaunchPlan& plan) {
  std::error_code error;
  std::filesystem::current_path(plan.folder(), error);
  if (error) {
    return Status::Invalid("the job's folder, from which its paths start, is not on this host: " + plan.folder() +
                           ": " + error.message());
  }
  if (!plan.ipc_dir().empty() && access(plan.ipc_dir().c_str(), R_OK | W_OK | X_OK) != 0) {
    return Status::Unavailable("the job runs on one host, in " + plan.ipc_dir() +
                               ", which is not here, or is gone "
                               "with the job; who is to join from another host needs --transport=tcp at its start");
  }
  return UseSimd(plan.simd()).Annotate("the job's SIMD target");
}

// The first number that nobody has. It is never given again, whatever becomes of this process.
Result<std::uint32_t> ClaimPlace(const std::string& leaders_dir, const char* role, std::uint32_t launched) {
  for (std::uint32_t index = launched;; ++index) {
    char name[32];
    std::snprintf(name, sizeof name, "%s-%06u", role, index);
    const std::string who = HostName() + " " + std::to_string(getpid());
    ASSIGN_OR_RETURN(const auto file, RecordFile::CreateIfAbsent(JoinPath(leaders_dir, name), who));
    if (file != nullptr) return index;
  }
}

Result<RankRole> TakePlace(const JobRequest& request, const proto::LaunchPlan& launch, const std::string& leaders_dir) {
  const bool worker = request.role == "worker";
  if (worker && launch.job().train().consistency() == proto::Train::BSP) {
    return Status::Invalid("no worker can join a job with consistency BSP: its bits depend on how many there are");
  }
  ASSIGN_OR_RETURN(const std::uint32_t index,
                   ClaimPlace(leaders_dir, worker ? "worker" : "spare", worker ? launch.workers() : launch.spares()));
  return RankRole{worker ? proto::WORKER : proto::SPARE, index};
}

Status RunPlace(Network* network, const proto::LaunchPlan& launch, JobPlan plan, const RankRole& role,
                const Binding& binding, SignalWatch* signals) {
  if (role.role == proto::SPARE) {
    JobRequest request;  // what the job was started with, should this one lead it
    request.metrics = launch.metrics();
    return RunSpareRank(network, request, plan, role, binding, signals).status;
  }
  std::atomic<bool> leave = false;
  plan.leave = &leave;
  signals->OnStop([&leave](const std::string&) { leave = true; });
  const Status status = RunRole(network, plan, role, binding);
  signals->OnStop(nullptr);
  return status;
}

}  // namespace

Status LetJoin(const JobRequest& request, const std::string& leaders_dir, proto::LaunchPlan plan) {
  CHECK(!plan.has_server_secret() && !plan.has_client_secret());
  ASSIGN_OR_RETURN(const std::string job_text, ReadJobFile(request.job_file));
  plan.set_job_file(HashBytes(job_text));
  plan.set_folder(std::filesystem::current_path().string());
  if (!request.metrics.empty()) plan.set_metrics(request.metrics);
  if (const char* verdict = std::getenv("SHERD_VERDICT_FILE")) plan.set_verdict_file(verdict);
  return WriteFileAtomically(JoinPath(leaders_dir, kPlanName), plan.SerializeAsString());
}

Status JoinJob(const JobRequest& request, SignalWatch* signals) {
  ASSIGN_OR_RETURN(const std::string job_text, ReadJobFile(request.job_file));
  std::string name;
  ASSIGN_OR_RETURN(const std::string leaders_dir, FolderOf(request, job_text, &name));
  ASSIGN_OR_RETURN(std::optional<CurveKeys> keys, ReadKeyFile(request.key_file));
  ASSIGN_OR_RETURN(const proto::LaunchPlan launch, PlanIn(leaders_dir));
  RETURN_IF_ERROR(CheckSameJob(request, name, job_text, leaders_dir, launch, *keys));
  ASSIGN_OR_RETURN(const auto leader, NewestLeader(leaders_dir, launch.job_id()));
  if (!leader.has_value()) return Status::Unavailable(leaders_dir + ": the job has not begun");
  RETURN_IF_ERROR(TakeSurroundings(launch));

  ASSIGN_OR_RETURN(JobPlan plan, JobPlanOf(launch));
  plan.leaders_dir = leaders_dir;  // where this host sees it
  plan.verdict_file = launch.verdict_file();
  plan.scheduler_endpoint = leader->endpoint();
  plan.scheduler_term = leader->term();
  plan.memory_budget = ServerMemoryBudget(plan.job.cluster(), HostMemory(), 1);
  plan.worker_cores = WorkerCores(1);
  std::string address;
  if (launch.ipc_dir().empty()) {
    ASSIGN_OR_RETURN(address, HostAddress(plan.job.cluster().interface()));
  }
  if (!launch.curve()) keys.reset();
  ASSIGN_OR_RETURN(const auto network, NetworkOf(launch, std::move(keys)));
  keys.reset();  // the one copy that lives is the network's
  ASSIGN_OR_RETURN(const RankRole role, TakePlace(request, launch, leaders_dir));
  SetLogRole(RoleName(role) + " (joined)");
  std::cout << "joins the job " << name << " as " << RoleName(role) << "; its scheduler is at " << leader->endpoint()
            << std::endl;
  const Status status = RunPlace(network.get(), launch, plan, role, BindingOf(launch, address), signals);
  TellRefused(*network);
  return status;
}

}  // namespace sherd
