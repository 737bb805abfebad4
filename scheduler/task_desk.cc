#include "scheduler/task_desk.h"

#include <glog/logging.h>

#include <utility>

namespace sherd {

bool TaskDesk::Take(std::uint32_t worker, Request request, std::optional<Envelope>* again) {
  Worker& entry = workers_.at(worker);
  const proto::Header& header = request.envelope.message.header;
  const std::uint64_t number = header.request();
  if (entry.last && number < *entry.last) return false;
  if (number == entry.last && !entry.waiting) {
    *again = Envelope{request.envelope.from, MakeReply(header, entry.answer)};
    return false;
  }
  const Deadline since = number == entry.last ? entry.waiting->since : request.since;
  entry.last = number;
  entry.waiting = std::move(request);
  entry.waiting->since = since;
  return true;
}

const TaskDesk::Request* TaskDesk::waiting(std::uint32_t worker) const {
  const Worker& entry = workers_.at(worker);
  return entry.waiting ? &*entry.waiting : nullptr;
}

Envelope TaskDesk::Answer(std::uint32_t worker, const proto::Task& task) {
  Worker& entry = workers_.at(worker);
  CHECK(entry.waiting) << "no request of worker " << worker << " waits";
  const Request request = *std::exchange(entry.waiting, std::nullopt);
  entry.answer = task;
  return {request.envelope.from, MakeReply(request.envelope.message.header, task)};
}

bool RequestLog::Enter(std::uint64_t request) {
  if (request < oldest_ || !seen_.insert(request).second) return false;
  if (seen_.size() > kRemembered) {
    oldest_ = *seen_.begin() + 1;
    seen_.erase(seen_.begin());
  }
  return true;
}

}  // namespace sherd
