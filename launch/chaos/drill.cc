#include "launch/chaos/drill.h"

#include <glog/logging.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <iostream>

#include "base/hash.h"

namespace sherd {
namespace {

// A stopped process cannot go on by itself: a child that shares nothing but the memory of this moment wakes it. It
// holds no descriptor, so that no peer takes its copies of the sockets for a sign of life, and ends with us. Between
// fork and exit it may call nothing that takes a lock.
void StallThisProcess(std::chrono::milliseconds time) {
  const pid_t self = getpid();
  const pid_t child = fork();
  if (child < 0) {
    PLOG(WARNING) << "--chaos: no process that would end the stall";
    return;
  }
  if (child > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  close_range(0, ~0U, 0);
  timespec left{time.count() / 1000, time.count() % 1000 * 1'000'000};
  kill(self, SIGSTOP);
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
  kill(self, SIGCONT);
  _exit(0);
}

}  // namespace

std::unique_ptr<ChaosDrill> ChaosDrill::Make(const JobRequest& request, const RolePlan& roles, const RankRole& rank,
                                             Network* network) {
  std::unique_ptr<ChaosDrill> drill(new ChaosDrill(network));
  if (request.chaos.empty()) return drill;
  Result<ChaosPlan> plan = ParseChaos(request.chaos, request.chaos_seed);
  CHECK(plan.ok()) << plan.status().text();
  if (rank.role == proto::SCHEDULER) std::cout << "chaos: " << plan->Text(roles) << std::endl;
  drill->acts_ = plan->ActsOf(rank, roles);
  if (plan->faults.any()) {
    plan->faults.seed = Mix(plan->faults.seed, static_cast<std::uint64_t>(rank.role), rank.index);
    drill->chaos_ = std::make_unique<ChaosNetwork>(network, plan->faults);
  }
  return drill;
}

ChaosDrill::~ChaosDrill() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  ended_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ChaosDrill::Begin() {
  if (!acts_.empty()) thread_ = std::thread([this] { Run(); });
}

void ChaosDrill::Run() {
  const auto begin = std::chrono::steady_clock::now();
  for (const ChaosPlan::Act& act : acts_) {
    std::unique_lock lock(mutex_);
    if (ended_.wait_until(lock, begin + act.after, [this] { return over_; })) return;
    LOG(WARNING) << "--chaos: this process is " << (act.stall.count() == 0 ? "killed" : "stopped for a while");
    if (act.stall.count() == 0) raise(SIGKILL);
    StallThisProcess(act.stall);
  }
}

}  // namespace sherd
