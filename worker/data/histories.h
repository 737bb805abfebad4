#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "worker/data/interactions.h"

namespace sherd {

// What each user has had, oldest first: by time where the data has it, and then in the order of the files. Of a longer
// history the last `max_length` events count. Immutable.
class Histories {
 public:
  struct Event {
    std::uint32_t item;
    std::uint32_t line;  // in its file
  };
  using Events = std::span<const Event>;

  // Which events are past where the test set's rows are judged, besides those of training.
  enum class Past { kEval, kEvalAndTest };
  Histories(const Interactions& interactions, std::uint32_t max_length, Past past);

  // What is known of a user when rows of a set are judged: for EVAL what he has in training, for TEST all that is past.
  Events Before(proto::Chunk::Set set, std::uint32_t user) const;

  // A training example: events, and what followed each of them, or what else is to be found for each.
  struct Example {
    Events history, next;  // of one length, at least 1
  };
  Example ExampleOf(std::uint32_t user) const;
  // Those who have an example: two events in training or more. Ascending.
  std::vector<std::uint32_t> TrainedUsers() const;

 private:
  struct Timed {
    Event event;
    std::int64_t time;
  };
  Events Last(std::uint64_t begin, std::uint64_t end) const;

  const std::uint32_t max_length_;
  std::vector<Event> events_;         // by user: of training, then what is past besides
  std::vector<std::uint64_t> begin_;  // [users + 1]
  std::vector<std::uint64_t> trained_end_;
};

}  // namespace sherd
