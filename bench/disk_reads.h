#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace sherd::bench {

// Makes a file of so many bytes, past the page cache.
Status WriteProbe(const std::string& path, std::uint64_t bytes);

// Random reads a second that the disk under `path` allows: blocks of 4 KB of the file, past the page cache, by
// io_uring, at the best of several depths.
Result<double> RandomReadsPerSecond(const std::string& path, std::uint64_t bytes);

}  // namespace sherd::bench
