#pragma once

#include <string>

#include "base/status.h"

namespace sherd {

// 0 done, 1 failed, 2 bad usage or config.
int ExitCodeOf(const Status& status);

// Writes the exit code to the file that SHERD_VERDICT_FILE names, if it does: mpirun's own exit code says nothing once
// it is told to live with lost ranks. Best effort.
void LeaveVerdict(int exit_code);
// The same to another file.
void LeaveVerdictIn(const std::string& path, int exit_code);

}  // namespace sherd
