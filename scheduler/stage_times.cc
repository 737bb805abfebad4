#include "scheduler/stage_times.h"

#include <algorithm>

namespace sherd {
namespace {

constexpr std::size_t kMostStages = 64;  // whatever a worker says

bool IsTime(double seconds) { return seconds >= 0 && seconds < 1e9; }

}  // namespace

void StageTimes::AddOne(const proto::StageTime& time) {
  if (!IsTime(time.worked()) || !IsTime(time.waited_for_input()) || !IsTime(time.waited_for_output())) return;
  auto sum = std::ranges::find(times_, time.name(), [](const proto::StageTime& known) { return known.name(); });
  if (sum == times_.end()) {
    if (times_.size() >= kMostStages) return;
    sum = times_.emplace(times_.end());
    sum->set_name(time.name());
  }
  sum->set_threads(std::max(sum->threads(), time.threads()));
  sum->set_worked(sum->worked() + time.worked());
  sum->set_waited_for_input(sum->waited_for_input() + time.waited_for_input());
  sum->set_waited_for_output(sum->waited_for_output() + time.waited_for_output());
  if (IsTime(time.cpu())) sum->set_cpu(sum->cpu() + time.cpu());
}

std::vector<StageReport> StageTimes::Report() const {
  std::vector<StageReport> reports;
  for (const proto::StageTime& time : times_) {
    const double all = time.worked() + time.waited_for_input() + time.waited_for_output();
    if (all <= 0) continue;
    reports.push_back({.name = time.name(),
                       .threads = time.threads(),
                       .worked = time.worked() / all,
                       .waited_for_input = time.waited_for_input() / all,
                       .waited_for_output = time.waited_for_output() / all,
                       .cpu = time.cpu() / all});
  }
  return reports;
}

}  // namespace sherd
