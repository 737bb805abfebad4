#pragma once

#include <map>
#include <string>

namespace sherd::bench {

// Seconds of processor time that the threads of this process have taken so far, each by its own clock, summed by their
// names ("compute", "shard"). Threads that have ended are missing.
std::map<std::string, double> CpuSecondsByThread();

}  // namespace sherd::bench
