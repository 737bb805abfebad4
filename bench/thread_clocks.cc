#include "bench/thread_clocks.h"

#include <sys/types.h>
#include <time.h>

#include <filesystem>
#include <fstream>
#include <system_error>

namespace sherd::bench {
namespace {

// The kernel's name of the processor clock of a thread of this process (include/linux/posix-timers.h): what
// pthread_getcpuclockid makes of a thread that one has a handle of.
clockid_t ClockOf(pid_t thread) {
  constexpr unsigned kOfThread = 4, kScheduled = 2;
  return static_cast<clockid_t>((~static_cast<unsigned>(thread) << 3) | kOfThread | kScheduled);
}

}  // namespace

std::map<std::string, double> CpuSecondsByThread() {
  std::map<std::string, double> seconds;
  std::error_code ended;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", ended)) {
    timespec time{};
    if (::clock_gettime(ClockOf(std::stoi(task.path().filename())), &time) != 0) continue;
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    seconds[name] += static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }
  return seconds;
}

}  // namespace sherd::bench
