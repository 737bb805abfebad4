#include "tests/testing/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "base/file.h"
#include "base/status.h"

namespace sherd {
namespace {

using std::chrono::steady_clock;

constexpr char kMark[] = "SHERD_TEST_PROCESS";
constexpr std::chrono::milliseconds kPoll(20);
constexpr std::chrono::seconds kGrace(2);  // for descendants to follow their parent

steady_clock::time_point After(double seconds) {
  return steady_clock::now() +
         std::chrono::duration_cast<steady_clock::duration>(std::chrono::duration<double>(seconds));
}

std::string MakeFolder() {
  std::string folder = "/tmp/sherd-process-XXXXXX";
  CHECK(::mkdtemp(folder.data()) != nullptr) << "no folder for the output of a process under test";
  return folder;
}

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Each variable of a process's environment ends in a zero byte. Empty for zombies and processes of others.
bool HasVariable(const std::string& environment, const std::string& variable) {
  const std::string padded = std::string(1, '\0') + environment;
  return padded.find(std::string(1, '\0') + variable + std::string(1, '\0')) != std::string::npos;
}

std::vector<pid_t> AllProcesses() {
  std::vector<pid_t> pids;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), ::closedir);
  CHECK(folder != nullptr);
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string name = entry->d_name;
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec == std::errc() && parsed.ptr == name.data() + name.size()) pids.push_back(pid);
  }
  return pids;
}

// What the child does between fork and exec: only what is safe there.
[[noreturn]] void Execute(const std::string& folder, char* const* argv, char* const* environment) {
  ::setpgid(0, 0);
  const int in = ::open("/dev/null", O_RDONLY);
  const int out = ::open((folder + "/out").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int err = ::open((folder + "/err").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::execvpe(argv[0], argv, environment);
  ::_exit(127);
}

std::vector<char*> Pointers(std::vector<std::string>* texts) {
  std::vector<char*> pointers;
  for (std::string& text : *texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Process::Process(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment)
    : folder_(MakeFolder()), mark_(std::string(kMark) + "=" + folder_) {
  std::vector<std::string> arguments = command, variables = {mark_};
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  for (char** variable = ::environ; *variable != nullptr; ++variable) {
    const std::string name = std::string(*variable).substr(0, std::string(*variable).find('='));
    if (name != kMark && !environment.contains(name)) variables.emplace_back(*variable);
  }
  const std::vector<char*> argv = Pointers(&arguments), environ_pointers = Pointers(&variables);
  pid_ = ::fork();
  CHECK(pid_ >= 0) << "fork failed";
  if (pid_ == 0) Execute(folder_, argv.data(), environ_pointers.data());
  ::setpgid(pid_, pid_);  // here too, so that Signal finds the group whichever of us runs first
}

Process::~Process() {
  KillDescendants();
  if (!ended_) ::waitpid(pid_, &status_, 0);
  const Status removed = RemoveTree(folder_);
  LOG_IF(WARNING, !removed.ok()) << removed.text();
}

std::string Process::out() const { return Contents(folder_ + "/out"); }
std::string Process::err() const { return Contents(folder_ + "/err"); }

bool Process::Ended() {
  if (!ended_) ended_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
  return ended_;
}

bool Process::WaitForOutput(const std::string& text, double seconds) {
  const auto deadline = After(seconds);
  while (true) {
    const bool ended = Ended();  // asked first: what it printed last is then in the files
    if ((out() + "\n" + err()).find(text) != std::string::npos) return true;
    if (ended || steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(kPoll);
  }
}

void Process::Signal(int signal) { ::kill(-pid_, signal); }

std::vector<pid_t> Process::Descendants(const std::string& variable, const std::string& value) const {
  std::vector<pid_t> found;
  for (const pid_t pid : AllProcesses()) {
    const std::string environment = Contents("/proc/" + std::to_string(pid) + "/environ");
    if (!HasVariable(environment, mark_)) continue;
    if (!variable.empty() && !HasVariable(environment, variable + "=" + value)) continue;
    found.push_back(pid);
  }
  return found;
}

void Process::KillDescendants() {
  // Twice, for those that were being started the first time.
  for (int round = 0; round < 2; ++round) {
    for (const pid_t pid : Descendants()) ::kill(pid, SIGKILL);
  }
}

ProcessResult Process::Wait(double seconds) {
  ProcessResult result;
  const auto deadline = After(seconds);
  while (!Ended() && steady_clock::now() < deadline) std::this_thread::sleep_for(kPoll);
  if (ended_) {
    result.exit_code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
    const auto grace = steady_clock::now() + kGrace;
    while (!Descendants().empty() && steady_clock::now() < grace) std::this_thread::sleep_for(kPoll);
    result.left = Descendants();
  }
  KillDescendants();
  result.out = out();
  result.err = err();
  return result;
}

ProcessResult RunProcess(const std::vector<std::string>& command, double seconds,
                         const std::map<std::string, std::string>& environment) {
  Process process(command, environment);
  return process.Wait(seconds);
}

}  // namespace sherd
