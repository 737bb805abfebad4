#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace sherd::bench {

// Sequential writes and reads of large files without anything else to do: what the disk allows. Each file has a thread.
enum class DiskCalls { kPlain, kDirect };  // through the page cache, or past it

// Writes each file anew, so many bytes, in calls of four megabytes, and fsyncs it.
Status WriteFiles(const std::vector<std::string>& paths, std::uint64_t bytes_each, DiskCalls calls);
// Reads each from front to end.
Status ReadFiles(const std::vector<std::string>& paths, DiskCalls calls);
// Takes the files out of the page cache, so that the next read is the disk's.
void ForgetFiles(const std::vector<std::string>& paths);

}  // namespace sherd::bench
