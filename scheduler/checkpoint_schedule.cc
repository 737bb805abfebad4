#include "scheduler/checkpoint_schedule.h"

#include <algorithm>
#include <chrono>

namespace sherd {
namespace {

using Minutes = std::chrono::duration<double, std::ratio<60>>;

constexpr std::chrono::seconds kFirstRetry{10};
constexpr Minutes kLongestRetry{10};
constexpr std::uint32_t kMostDoublings = 20;

}  // namespace

void CheckpointSchedule::Start(std::uint64_t rows, Deadline now) {
  last_rows_ = rows;
  last_ = now;
}

void CheckpointSchedule::Failed(Deadline now) {
  const Minutes period = options_.every_minutes() > 0 ? Minutes(options_.every_minutes()) : kLongestRetry;
  const Minutes wait = kFirstRetry * (1 << std::min(failures_++, kMostDoublings));
  retry_ = now + std::chrono::duration_cast<Clock::duration>(std::min(wait, std::max(period, Minutes(kFirstRetry))));
}

bool CheckpointSchedule::Due(std::uint64_t rows, Deadline now) const {
  if (options_.every_rows() > 0 && rows - last_rows_ >= options_.every_rows()) return true;
  if (options_.every_minutes() > 0 && now - last_ >= Minutes(options_.every_minutes())) return true;
  return failures_ > 0 && now >= retry_;
}

}  // namespace sherd
