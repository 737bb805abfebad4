#include "launch/doctor/command.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "launch/bootstrap.h"
#include "launch/doctor/findings.h"
#include "launch/doctor/host_probe.h"
#include "launch/doctor/link_probe.h"
#include "launch/job_loading.h"
#include "launch/keys/key_file.h"
#include "launch/mpi_bootstrap.h"
#include "launch/scheduler_role.h"
#include "net/zmq_network.h"

namespace sherd {
namespace {

constexpr double kPatienceSeconds = 60;  // for the other ranks, in each step

Status Tell(const Examination& examination, std::ostream& out) {
  PrintExamination(examination, out);
  const std::vector<std::string> problems = Problems(examination);
  for (const std::string& problem : problems) out << "WRONG  " << problem << '\n';
  out << (problems.empty() ? "nothing is wrong" : "") << std::flush;
  if (problems.empty()) {
    out << std::endl;
    return {};
  }
  return Status(ErrorCode::kIo,
                std::to_string(problems.size()) + (problems.size() == 1 ? " thing is" : " things are") + " wrong");
}

// All ranks' messages of one kind.
template <typename Body>
Result<std::vector<Body>> Exchange(RankGroup* group, const Body& mine) {
  ASSIGN_OR_RETURN(const auto texts, group->Gather(mine.SerializeAsString(), kPatienceSeconds));
  std::vector<Body> all(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (!all[i].ParseFromString(texts[i])) return Status::BadData("rank " + std::to_string(i) + " sent no report");
  }
  return all;
}

// One rank of several, while they have MPI.
class Doctor {
 public:
  Doctor(const JobRequest& request, RankGroup* group) : request_(request), group_(group) {}

  // Nothing: rank 0 has refused the job, and says why.
  Result<std::optional<Examination>> Examine() {
    ASSIGN_OR_RETURN(std::optional<proto::LaunchPlan> plan, group_->rank() == 0 ? Prepare() : AwaitPreparation(group_));
    if (!plan) return std::optional<Examination>();
    Examination examination;
    examination.job = plan->job();
    examination.roles = {.servers = plan->servers(), .workers = plan->workers(), .spares = plan->spares()};
    ASSIGN_OR_RETURN(const auto ranks,
                     ExchangeInfo(group_, DescribeThisRank(plan->job().cluster().interface(), request_.key_file)));
    ASSIGN_OR_RETURN(const auto choice, Settle(ranks, &*plan));
    if (!choice) return std::optional<Examination>();
    examination.tcp = plan->ipc_dir().empty();
    RETURN_IF_ERROR(OpenNetwork(ranks[group_->rank()], &*plan));
    RETURN_IF_ERROR(LookAround(*plan, &examination));
    RETURN_IF_ERROR(LookAtTheOthers(&examination));
    return std::optional(std::move(examination));
  }

 private:
  Result<std::optional<proto::LaunchPlan>> Prepare() {
    proto::LaunchPlan plan;
    RETURN_IF_ERROR(PrepareAndTell(group_, [&]() -> Result<proto::LaunchPlan> {
      ASSIGN_OR_RETURN(const LoadedJob loaded, LoadJob(request_, group_->size()));
      *plan.mutable_job() = loaded.job;
      plan.set_servers(loaded.plan.servers);
      plan.set_workers(loaded.plan.workers);
      plan.set_spares(loaded.plan.spares);
      return plan;
    }));
    return std::optional(std::move(plan));
  }

  // Keys for the probes' connections, and whether the job itself would need any. False: rank 0 ends it.
  Result<bool> Settle(const std::vector<proto::RankInfo>& ranks, proto::LaunchPlan* plan) {
    if (group_->rank() != 0) {
      ASSIGN_OR_RETURN(*plan, ReceivePlan(group_));
      return plan->state() == proto::LaunchPlan::GO;
    }
    const Result<Choice> choice = ChooseDespiteAddresses(ranks, plan->job().cluster());
    plan->set_state(choice.ok() ? proto::LaunchPlan::GO : proto::LaunchPlan::REFUSED);
    if (choice.ok()) {
      plan->set_job_id(MakeJobId());
      plan->set_curve(plan->job().cluster().security() == proto::Cluster::CURVE);
      if (choice->ipc) plan->set_ipc_dir("-");
      if (plan->curve() && request_.key_file.empty()) PutKeys(MakeCurveKeys(), plan);
    }
    RETURN_IF_ERROR(SendPlan(group_, *plan));
    if (!choice.ok()) return choice.status();
    return true;
  }

  // An address that is missing is a finding, and no reason to look no further.
  static Result<Choice> ChooseDespiteAddresses(std::vector<proto::RankInfo> ranks, const proto::Cluster& cluster) {
    for (proto::RankInfo& rank : ranks) rank.clear_problem();
    return Choose(ranks, cluster);
  }

  Status OpenNetwork(const proto::RankInfo& mine, proto::LaunchPlan* plan) {
    std::optional<CurveKeys> keys = TakeKeys(plan);
    if (plan->curve() && !keys) {
      ASSIGN_OR_RETURN(keys, ReadKeyFile(request_.key_file));
    }
    ASSIGN_OR_RETURN(
        network_,
        ZmqNetwork::Create({.job = plan->job_id(), .keys = std::move(keys), .linger = std::chrono::milliseconds(0)}));
    address_problem_ = mine.problem();
    if (mine.address().empty()) return {};
    Result<std::unique_ptr<LinkEcho>> echo = LinkEcho::Start(network_.get(), "tcp://" + mine.address() + ":*");
    if (echo.ok()) echo_ = std::move(echo).value();
    if (!echo.ok()) address_problem_ = echo.status().text();
    return {};
  }

  Status LookAround(const proto::LaunchPlan& plan, Examination* examination) {
    std::optional<SharedFolderMark> mark;
    if (group_->rank() == 0) mark.emplace(plan.job(), plan.job_id());
    RETURN_IF_ERROR(group_->Gather("", kPatienceSeconds).status());  // the mark is there
    proto::HostReport mine = ProbeHost(plan.job(), request_.job_file, plan.job_id());
    if (echo_ != nullptr) mine.set_endpoint(echo_->endpoint());
    if (!address_problem_.empty()) mine.set_address_problem(address_problem_);
    ASSIGN_OR_RETURN(examination->hosts, Exchange(group_, mine));
    return {};
  }

  // In each round every rank asks one and is asked by one.
  Status LookAtTheOthers(Examination* examination) {
    proto::ReachReport mine;
    for (std::uint32_t round = 1; round < group_->size(); ++round) {
      const std::uint32_t to = (group_->rank() + round) % group_->size();
      const proto::HostReport& other = examination->hosts[to];
      proto::LinkReport link;
      if (other.endpoint().empty()) link.set_problem("it listens nowhere");
      if (!other.endpoint().empty()) link = ProbeLink(network_.get(), other.endpoint());
      link.set_to(to);
      *mine.add_link() = link;
      RETURN_IF_ERROR(group_->Gather("", kPatienceSeconds).status());
    }
    ASSIGN_OR_RETURN(examination->reach, Exchange(group_, mine));
    return {};
  }

  const JobRequest& request_;
  RankGroup* const group_;
  std::unique_ptr<ZmqNetwork> network_;
  std::unique_ptr<LinkEcho> echo_;  // nothing: this rank has no address
  std::string address_problem_;
};

Status ExamineAlone(const JobRequest& request, std::ostream& out) {
  ASSIGN_OR_RETURN(const LoadedJob loaded, LoadJob(request, 0));
  const std::uint64_t number = MakeJobId();
  const SharedFolderMark mark(loaded.job, number);
  const Examination examination{.job = loaded.job,
                                .roles = loaded.plan,
                                .tcp = false,
                                .hosts = {ProbeHost(loaded.job, request.job_file, number)},
                                .reach = {}};
  return Tell(examination, out);
}

}  // namespace

Status RunDoctor(const JobRequest& request, const SignalWatch* signals, std::ostream& out) {
  if (RanksFromEnvironment() < 2) return ExamineAlone(request, out);
  ASSIGN_OR_RETURN(std::unique_ptr<RankGroup> group,
                   StartMpi([signals](const std::string& reason) { signals->End(reason); }));
  const bool speaks = group->rank() == 0;
  ASSIGN_OR_RETURN(const auto examination, Doctor(request, group.get()).Examine());
  group.reset();
  return speaks && examination ? Tell(*examination, out) : Status();
}

}  // namespace sherd
