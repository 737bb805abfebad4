#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/status.h"
#include "worker/data/simulator/item_policy.h"
#include "worker/data/simulator/user_simulator.h"

namespace sherd {

// Files of the simulator, as format DELIMITED with a header: a row is one item that is shown.
//   state       tokens of the state, integers with blanks between (UserSimulator::TokensOf)
//   item        which was shown, 0 ..
//   propensity  how probable it was to be shown
//   click       0 or 1: the reward
//   return      clicks of the session from this one on
//   next_state  where the user went; empty: away
//   stays       1 or 0: what next_state counts
//   items       all that could be shown

struct Sessions {
  std::string text;  // with the header
  std::uint64_t rows = 0;
};

// Whole sessions [first, first + count), each a function of (seed, its number, policy): who of two policies' shows one
// item in one state to the same user at the same step has the same outcome.
Sessions PlaySessions(const UserSimulator& simulator, const ItemPolicy& policy, std::uint64_t seed, std::uint64_t first,
                      std::uint64_t count);

// Each state with each item, in their order, for `sherd predict` to score.
std::string AllChoices();

// What `sherd predict` made of the choices, a file: scores [states, items]. Invalid names the line.
Result<std::vector<double>> ReadScores(const std::string& path);

}  // namespace sherd
