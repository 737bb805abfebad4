#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "net/mailbox.h"
#include "proto/wire.pb.h"

namespace sherd {

// The workers' requests for a task: one at a time of each worker. A request that can not be answered yet is held for a
// while; one that is repeated gets the answer it had. Thread-compatible.
class TaskDesk {
 public:
  struct Request {
    Envelope envelope;  // of the message that is to be answered
    proto::NextTask body;
    Deadline since;
  };

  explicit TaskDesk(std::uint32_t workers) : workers_(workers) {}
  // There are so many now.
  void Grow(std::uint32_t workers) { workers_.resize(workers); }

  // Takes a request in. True: it waits for its answer now. False: it had been answered (`again` is to be sent once
  // more) or is older than one that had (nothing is).
  bool Take(std::uint32_t worker, Request request, std::optional<Envelope>* again);
  // The request that waits, if any.
  const Request* waiting(std::uint32_t worker) const;
  // Nobody waits for it any more.
  void Forget(std::uint32_t worker) { workers_.at(worker).waiting.reset(); }
  // Answers it: what to send to whom.
  Envelope Answer(std::uint32_t worker, const proto::Task& task);

 private:
  struct Worker {
    std::optional<std::uint64_t> last;  // request number
    std::optional<Request> waiting;
    proto::Task answer;  // to `last`, once it does not wait
  };
  std::vector<Worker> workers_;
};

// Which requests of one sender were carried out, so that a repeated one is answered again and not carried out again.
// Remembers the newest kRemembered numbers; older ones count as seen. Thread-compatible.
class RequestLog {
 public:
  static constexpr std::size_t kRemembered = 1024;

  // True the first time.
  bool Enter(std::uint64_t request);

 private:
  std::set<std::uint64_t> seen_;
  std::uint64_t oldest_ = 0;  // all below were seen or are too old
};

}  // namespace sherd
