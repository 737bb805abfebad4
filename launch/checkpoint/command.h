#pragma once

#include <ostream>
#include <span>
#include <string>

namespace sherd {

// `sherd checkpoint COMMAND …`, from its words behind `checkpoint`: what is asked for goes to `out`, what a person
// should know besides to `err`. Returns the exit code: 0 done, 1 failed, 2 bad usage; of diff 0 equal, 1 different,
// 2 anything else.
int RunCheckpointCommand(std::span<const std::string> words, std::ostream& out, std::ostream& err);

// What `sherd --help` says of it.
std::string CheckpointHelp();

}  // namespace sherd
