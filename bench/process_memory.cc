#include "bench/process_memory.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <string>

namespace sherd::bench {
namespace {

// "VmRSS:     1234 kB"
Result<std::uint64_t> BytesOf(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + ":")) return std::stoull(line.substr(name.size() + 1)) * 1024;
  }
  return Status::NotFound(path + ": no line " + name);
}

}  // namespace

Result<ProcessMemory> ReadProcessMemory() {
  const std::string status = "/proc/self/status";
  ProcessMemory memory;
  ASSIGN_OR_RETURN(memory.resident, BytesOf(status, "VmRSS"));
  ASSIGN_OR_RETURN(memory.most, BytesOf(status, "VmHWM"));
  ASSIGN_OR_RETURN(memory.swapped, BytesOf(status, "VmSwap"));
  ASSIGN_OR_RETURN(memory.available, BytesOf("/proc/meminfo", "MemAvailable"));
  return memory;
}

Status InChild(const std::function<Status()>& run) {
  std::fflush(stdout);
  std::fflush(stderr);
  const pid_t child = fork();
  if (child < 0) return Status::Io("fork", errno);
  if (child == 0) {
    const Status status = run();
    if (!status.ok()) std::fprintf(stderr, "sherd-bench: %s\n", status.text().c_str());
    std::fflush(stdout);
    _exit(status.ok() ? 0 : 1);
  }
  int state = 0;
  while (waitpid(child, &state, 0) < 0) {
    if (errno != EINTR) return Status::Io("waitpid", errno);
  }
  if (WIFSIGNALED(state)) return Status::Unavailable("ended by signal " + std::to_string(WTERMSIG(state)));
  return WEXITSTATUS(state) == 0 ? Status() : Status::BadData("failed in its own process");
}

}  // namespace sherd::bench
