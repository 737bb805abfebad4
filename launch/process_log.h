#pragma once

#include <string>

namespace sherd {

// Starts glog for this process: warnings to stderr, everything to files of `log_dir` if it is not empty. Each line
// begins with the level, the time, and who says it: "W 12:03:04.123 worker 1 (rank 4) pipeline.cc:88] …".
void StartLog(const std::string& log_dir);
// Who we are, once that is known.
void SetLogRole(const std::string& role);

}  // namespace sherd
