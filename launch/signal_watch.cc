#include "launch/signal_watch.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <string>

namespace sherd {
namespace {

sigset_t WatchedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) sigaddset(&set, signal);
  return set;
}

// `timeout -s INT` and the like send a signal to their child and to its whole group.
constexpr std::chrono::milliseconds kOneRequest{500};

std::string SignalName(int signal) { return std::string("SIG").append(sigabbrev_np(signal)); }

}  // namespace

SignalWatch::SignalWatch(bool watch_parent, std::function<void(const std::string&)> die)
    : die_(std::move(die)), watch_parent_(watch_parent), parent_(getppid()) {
  const sigset_t set = WatchedSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // The kernel's word comes at once, even if this process hangs; but it is lost when the thread of mpirun that started
  // us ends before mpirun does, or when mpirun was gone already. So the parent is watched, too.
  if (watch_parent_) prctl(PR_SET_PDEATHSIG, SIGKILL);
  thread_ = std::thread([this] { Watch(); });
}

SignalWatch::~SignalWatch() {
  done_ = true;
  thread_.join();
}

void SignalWatch::OnStop(std::function<void(const std::string&)> stop) {
  std::lock_guard lock(mutex_);
  stop_ = std::move(stop);
}

void SignalWatch::OnCheckpoint(std::function<void()> checkpoint) {
  std::lock_guard lock(mutex_);
  checkpoint_ = std::move(checkpoint);
}

void SignalWatch::OnLeave(std::function<void()> leave) {
  std::lock_guard lock(mutex_);
  leave_ = std::move(leave);
}

void SignalWatch::EndLater(double seconds) {
  std::lock_guard lock(mutex_);
  grace_seconds_ = seconds;
}

void SignalWatch::Watch() {
  const sigset_t set = WatchedSignals();
  const timespec tick{0, 100'000'000};
  while (!done_) {
    const int signal = sigtimedwait(&set, nullptr, &tick);
    if (signal > 0) Handle(signal);
    if (watch_parent_ && getppid() != parent_) die_("mpirun is gone");
    std::unique_lock lock(mutex_);
    if (std::chrono::steady_clock::now() > end_at_) die_("still running after a signal to stop");
  }
}

// Batch systems may send it to mpirun and to its ranks.
void SignalWatch::AskForCheckpoint() {
  const auto now = std::chrono::steady_clock::now();
  std::lock_guard lock(mutex_);
  if (!checkpoint_ || (last_checkpoint_ && now < *last_checkpoint_ + kOneRequest)) return;
  last_checkpoint_ = now;
  checkpoint_();
}

void SignalWatch::Handle(int signal) {
  if (signal == SIGUSR1) return AskForCheckpoint();
  const auto now = std::chrono::steady_clock::now();
  std::lock_guard lock(mutex_);
  if (signal == SIGTERM && leave_) return leave_();
  if (grace_seconds_ >= 0) {
    const auto grace = std::chrono::milliseconds(static_cast<std::int64_t>(1000 * grace_seconds_));
    end_at_ = std::min(end_at_, now + grace);
    return;
  }
  if (first_signal_ && now < *first_signal_ + kOneRequest) return;
  const bool again = signal == SIGINT && ++interrupts_ > 1;
  if (!stop_ || again) return die_((again ? "a second " : "") + SignalName(signal));
  if (!first_signal_) first_signal_ = now;
  stop_(SignalName(signal));  // under the lock: once OnStop has returned, the one before is not called any more
}

}  // namespace sherd
