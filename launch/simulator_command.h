#pragma once

#include <ostream>
#include <span>
#include <string>

#include "base/status.h"

namespace sherd {

// `sherd gen --simulator …`, from its words behind `gen`: tells to `out` what policies are worth in the simulator of
// users, that of predicted scores among them, and writes sessions for a model to learn from. Invalid: the words say
// what can not be, or the scores are not those of all choices.
Status RunSimulatorCommand(std::span<const std::string> words, std::ostream& out);

// What `sherd --help` says of its flags.
std::string SimulatorHelp();

}  // namespace sherd
