#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace sherd {

// What tests ask of a job's folder of checkpoints.

// Of a checkpoint's folder: 12 for …/checkpoint-000012; 0 for all other names.
std::uint64_t CheckpointNumber(const std::string& folder);

// Reads every row and dense block of the newest checkpoint in `dir`, and of each that has a manifest: there must be
// none that only looks like one. Gives the newest one's number, 0 where there is none.
Result<std::uint64_t> ReadCheckpoints(const std::string& dir);

// An error when something is there that is neither a manifest nor named by one.
Status CheckNothingLeftBehind(const std::string& dir);

}  // namespace sherd
