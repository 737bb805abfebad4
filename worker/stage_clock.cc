#include "worker/stage_clock.h"

#include <pthread.h>

namespace sherd {

void StageClock::Start() {
  std::lock_guard lock(mutex_);
  running_ = pthread_getcpuclockid(pthread_self(), &cpu_clock_) == 0;
  since_ = std::chrono::steady_clock::now();
}

void StageClock::Stop() {
  std::lock_guard lock(mutex_);
  Settle();
  cpu_ = CpuSeconds();
  running_ = false;
}

void StageClock::Enter(State state) {
  std::lock_guard lock(mutex_);
  Settle();
  state_ = state;
}

void StageClock::Settle() {
  if (!running_) return;
  const auto now = std::chrono::steady_clock::now();
  seconds_[static_cast<std::size_t>(state_)] += std::chrono::duration<double>(now - since_).count();
  since_ = now;
}

double StageClock::CpuSeconds() const {
  timespec time{};
  if (!running_ || clock_gettime(cpu_clock_, &time) != 0) return cpu_;
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void StageClock::Take(proto::StageTime* time) {
  std::lock_guard lock(mutex_);
  Settle();
  const auto take = [&](State state) { return std::exchange(seconds_[static_cast<std::size_t>(state)], 0.0); };
  time->set_worked(time->worked() + take(State::kWorks));
  time->set_waited_for_input(time->waited_for_input() + take(State::kWaitsForInput));
  time->set_waited_for_output(time->waited_for_output() + take(State::kWaitsForOutput));
  cpu_ = CpuSeconds();
  time->set_cpu(time->cpu() + cpu_ - std::exchange(cpu_taken_, cpu_));
}

StageClock* StageClocks::Add(const std::string& name) {
  std::pair<std::string, StageClock>& added =
      clocks_.emplace_back(std::piecewise_construct, std::forward_as_tuple(name), std::forward_as_tuple());
  return &added.second;
}

void StageClocks::Take(proto::Progress* progress) {
  proto::StageTime* time = nullptr;
  for (auto& [name, clock] : clocks_) {
    if (time == nullptr || time->name() != name) {
      time = progress->add_stage();
      time->set_name(name);
    }
    time->set_threads(time->threads() + 1);
    clock.Take(time);
  }
}

}  // namespace sherd
