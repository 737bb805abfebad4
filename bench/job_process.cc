#include "bench/job_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace sherd::bench {
namespace {

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The last number of that name in JSON lines; 0 without one.
double LastNumber(const std::string& json, const std::string& name) {
  const std::string key = '"' + name + "\":";
  const std::size_t at = json.rfind(key);
  return at == std::string::npos ? 0 : std::strtod(json.c_str() + at + key.size(), nullptr);
}

double SecondsOf(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

// Runs a program whose output goes to a file; what it used.
Result<rusage> Run(std::vector<std::string> command, const std::string& output) {
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t pid = 0;
  const int failed = ::posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return Status::Io("start " + command[0], failed);
  int status = 0;
  rusage used{};
  while (::wait4(pid, &status, 0, &used) < 0) {
    if (errno != EINTR) return Status::Io("wait for " + command[0], errno);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Status::Unavailable(command[0] + " failed: " + TextOf(output));
  }
  return used;
}

}  // namespace

Result<JobOutcome> TrainJob(const std::string& folder, const std::string& job_text) {
  const std::string job = folder + "/job.pbtxt", metrics = folder + "/metrics.json";
  if (!(std::ofstream(job) << job_text).flush()) return Status::Io("write " + job, errno);
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  JobOutcome outcome;
  ASSIGN_OR_RETURN(const rusage used,
                   Run({self.parent_path() / "sherd", "train", job, "--metrics=" + metrics}, folder + "/output"));
  outcome.cpu_seconds = SecondsOf(used.ru_utime) + SecondsOf(used.ru_stime);
  outcome.most_memory = 1024.0 * static_cast<double>(used.ru_maxrss);
  const std::string lines = TextOf(metrics);
  outcome.rows = LastNumber(lines, "rows");
  outcome.seconds = LastNumber(lines, "seconds");
  outcome.auc = LastNumber(lines, "auc");
  if (outcome.rows > 0 && outcome.seconds > 0) return outcome;
  return Status::BadData("no rows or seconds in " + metrics);
}

}  // namespace sherd::bench
