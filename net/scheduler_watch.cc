#include "net/scheduler_watch.h"

#include <utility>

#include "base/leadership.h"

namespace sherd {

SchedulerWatch::SchedulerWatch(Options options) : options_(std::move(options)) { Heard(Clock::now()); }

void SchedulerWatch::Heard(Deadline now) { next_look_ = now + 2 * options_.look_every; }

std::optional<proto::Leader> SchedulerWatch::Newer(Deadline now) {
  if (options_.dir.empty() || now < next_look_) return std::nullopt;
  next_look_ = now + options_.look_every;
  auto leader = NewestLeader(options_.dir, options_.job);
  if (!leader.ok() || !leader->has_value() || (*leader)->term() <= options_.term) return std::nullopt;
  options_.term = (*leader)->term();
  options_.endpoint = (*leader)->endpoint();
  Heard(now);
  return *std::move(leader);
}

}  // namespace sherd
