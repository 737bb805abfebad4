#pragma once

#include <ostream>
#include <span>
#include <string>

#include "base/status.h"

namespace sherd {

// `sherd gen …`, from its words behind `gen`: writes rows of the click log with a planted truth, and says to `out` what
// the best possible figures on them are; with --simulator among them as simulator_command.h says. Invalid: the words
// say what can not be.
Status RunGenCommand(std::span<const std::string> words, std::ostream& out);

// What `sherd --help` says of it.
std::string GenHelp();

}  // namespace sherd
