#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/protocol/rules.h"
#include "tests/protocol/state.h"

namespace sherd::protocol {

// One thing that may happen next.
struct Step {
  enum class Kind : std::uint8_t {
    kServerTakesMap,        // a: server, b: number in State::maps
    kServerTakesPush,       // a: push, b: number of the map that the worker went by
    kServerTakesOperation,  // b: number in State::sent
    kServerTakesAnswer,     // b: number in State::acknowledgements
    kServerCopies,          // a: server
    kServerInterruptsCopy,  // a: server
    kServerGoesOnAlone,     // a: server
    kServerFindsScheduler,  // a: server; it listens to the second scheduler
    kWorkerFindsScheduler,
    kWorkerTakesMap,           // a: term
    kSchedulerLosesServer,     // a: term, b: server
    kSchedulerDropsFollower,   // a: term
    kSchedulerBeginsJoining,   // a: term
    kSchedulerGoesOnJoining,   // a: term
    kSchedulerGivesUpJoining,  // a: term
    kSchedulerWrites,          // a: term
    kSpareClaims,
    kSpareHearsServer,  // a: server
    kSpareTakesOver,
    kServerDies,  // a: server
    kSchedulerDies,
  };
  Kind kind{};
  std::uint8_t a = 0, b = 0;
  bool mishap = false;  // a process is lost, or taken for lost though it is not: there are so many of them at most
};

// All that may happen in this state, at most `mishaps` of the unlucky kind from the begin on.
void StepsFrom(const State& state, Rules rules, int mishaps, std::vector<Step>* steps);

// Does it. Returns which promise is broken then; empty: none.
std::string Take(const Step& step, Rules rules, State* state);

// "server 1 takes map 3 (primary 1, no follower) of scheduler 1".
std::string Describe(const Step& step, const State& before);

State FirstState();

// The worker may know that all it has pushed was taken; or the job has ended as it is said to.
bool IsEnd(const State& state);

}  // namespace sherd::protocol
