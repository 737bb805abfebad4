#pragma once

#include <cstdint>
#include <functional>

#include "base/status.h"

namespace sherd::bench {

// What the operating system says of this process and of the machine, in bytes.
struct ProcessMemory {
  std::uint64_t resident = 0;   // now
  std::uint64_t most = 0;       // the most that was ever resident
  std::uint64_t swapped = 0;    // of this process
  std::uint64_t available = 0;  // to all programs, without swapping
};
Result<ProcessMemory> ReadProcessMemory();

// Runs a case in a child process, whose memory no other case has touched. A child that dies of its memory is a failure
// of the case alone.
Status InChild(const std::function<Status()>& run);

}  // namespace sherd::bench
