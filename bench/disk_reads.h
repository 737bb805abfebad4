#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace sherd::bench {

// Random reads a second that the disk allows: blocks of 4 KB of the one file that this process has open in `folder`,
// with a name or without, past the page cache, by io_uring, at the best of several depths.
Result<double> RandomReadsPerSecond(const std::string& folder);

// What this process has read from disks so far.
Result<std::uint64_t> BytesReadFromDisk();

}  // namespace sherd::bench
