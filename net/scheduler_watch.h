#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "net/mailbox.h"
#include "proto/journal.pb.h"

namespace sherd {

// Where a rank finds the job's scheduler: where it was told, until that one has been silent for a while and another one
// has said, in a folder that all see (base/leadership.h), that it has taken over. Confined to one thread.
class SchedulerWatch {
 public:
  struct Options {
    std::string dir;  // empty: no other will come
    std::uint64_t job = 0;
    std::string endpoint;                    // of the one that is known …
    std::uint32_t term = 1;                  // … and its term
    std::chrono::milliseconds look_every{};  // once it has been silent for twice as long
  };
  explicit SchedulerWatch(Options options);

  const std::string& endpoint() const { return options_.endpoint; }
  std::uint32_t term() const { return options_.term; }
  // It has answered.
  void Heard(Deadline now);
  // The one that has taken over, once.
  std::optional<proto::Leader> Newer(Deadline now);

 private:
  Options options_;
  Deadline next_look_;
};

}  // namespace sherd
