#include "launch/start_watch.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

namespace sherd {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLook{100};
// Ranks that end together, after a job that was refused say, are not lost; nor are those that are still being started.
constexpr std::chrono::seconds kMissing{3};

std::string CommandOf(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

bool IsLauncher(const std::string& command) {
  constexpr std::array<std::string_view, 4> kLaunchers = {"mpirun", "orterun", "orted", "prterun"};
  return std::find(kLaunchers.begin(), kLaunchers.end(), command) != kLaunchers.end();
}

// How many of the parent's children are ranks, or about to become ones. What else a launcher starts has another name.
int RanksOf(const std::string& parent, const std::string& launcher, const std::string& own) {
  int ranks = 0;
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + parent + "/task", gone)) {
    std::ifstream children(thread.path() / "children");
    for (std::string child; children >> child;) {
      const std::string command = CommandOf(child);
      ranks += command == own || command == launcher ? 1 : 0;
    }
  }
  return ranks;
}

std::int64_t Nanoseconds(SteadyClock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

}  // namespace

StartWatch::StartWatch(std::function<void(const std::string&)> die)
    : die_(std::move(die)), thread_([this] { Run(); }) {}

StartWatch::~StartWatch() {
  over_ = true;
  thread_.join();
}

void StartWatch::Allow(double seconds, const char* what) {
  what_ = what;
  const auto time = std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
  deadline_ = seconds > 0 ? Nanoseconds(SteadyClock::now() + time) : 0;
}

void StartWatch::Run() {
  const char* const said = std::getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
  const int started = said == nullptr ? 0 : std::atoi(said);
  const std::string parent = std::to_string(getppid()), launcher = CommandOf(parent), own = CommandOf("self");
  const bool counts =
      IsLauncher(launcher) && std::filesystem::exists("/proc/self/task/" + std::to_string(getpid()) + "/children");
  auto complete = SteadyClock::now();  // when all ranks of this host were last there
  while (!over_) {
    std::this_thread::sleep_for(kLook);
    const auto now = SteadyClock::now();
    const std::int64_t deadline = deadline_;
    if (deadline != 0 && Nanoseconds(now) > deadline)
      die_(std::string(what_) + " takes too long: has a rank been lost?");
    if (!counts) continue;
    if (RanksOf(parent, launcher, own) >= started) complete = now;
    if (now - complete > kMissing) die_("a rank on this host was lost while the job started");
  }
}

}  // namespace sherd
