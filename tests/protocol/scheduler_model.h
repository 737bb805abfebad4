#pragma once

#include <cstdint>
#include <string>

#include "tests/protocol/rules.h"
#include "tests/protocol/state.h"

namespace sherd::protocol {

// What a scheduler decides, as scheduler/lost_servers.cc and scheduler/taking_over.cc do. Each changes `state`; one
// that can not be, or comes to nothing, changes nothing.
class SchedulerModel {
 public:
  // `term`: 1 or 2.
  SchedulerModel(Rules rules, State* state, int term)
      : rules_(rules),
        state_(*state),
        term_(static_cast<std::uint8_t>(term)),
        self_(state->schedulers[static_cast<std::size_t>(term - 1)]) {}

  // Takes a server for lost, rightly or not.
  void LoseServer(int server);
  // The primary does not hear its follower, so it is to do without it.
  void DropFollower();
  void BeginJoining();
  void GoOnJoining();
  void GiveUpJoining();
  // If everybody has answered the newest map the worker hears it.
  void TellWorker();
  // Only where the journal is not written first.
  void WriteJournal();

  // Of the second one: all that came is all that is left.
  void TakeOver();

  bool acts() const { return self_.alive && self_.acts && !self_.ended; }

 private:
  Map* NewestMap();
  bool AllHaveIt(const Map& map) const;
  void DropJoining();
  void TellServers(std::uint8_t freed);
  void AddMap(const Map& map);

  const Rules rules_;
  State& state_;
  const std::uint8_t term_;
  Scheduler& self_;
  std::uint8_t freed_ = 0;
};

}  // namespace sherd::protocol
