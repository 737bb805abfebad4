#include "tests/integration/checkpoint_watch.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <thread>

#include "base/file.h"
#include "tests/integration/checkpoint_folder.h"

namespace sherd {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::microseconds kPause(50);
constexpr std::chrono::milliseconds kAsk(100);

// Names in a folder, which may change or go meanwhile.
std::set<std::string> NamesIn(const std::string& folder) {
  std::set<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    names.insert(it->path().filename().string());
  }
  return names;
}

// The folder of the newest checkpoint, by its number; 0: there is none.
std::pair<std::uint64_t, std::string> NewestIn(const std::string& dir) {
  std::pair<std::uint64_t, std::string> newest;
  for (const std::string& name : NamesIn(dir)) newest = std::max(newest, {CheckpointNumber(name), JoinPath(dir, name)});
  return newest;
}

}  // namespace

CheckpointWatch::CheckpointWatch(std::string dir) : dir_(std::move(dir)), first_(NewestIn(dir_).first) {}

bool CheckpointWatch::Look(Stage stage, std::uint64_t count) {
  const auto [number, folder] = NewestIn(dir_);
  if (number <= first_) return false;
  const std::set<std::string> names = NamesIn(folder);
  const bool whole = names.contains("manifest");
  if (whole) newest_whole_ = number;
  if (number != first_ + count) return number > first_ + count;
  return stage == Stage::kFolder || whole || (stage == Stage::kFile && !names.empty());
}

bool CheckpointWatch::Wait(Stage stage, std::uint64_t count, const std::function<bool()>& give_up) {
  auto next = steady_clock::now() + kAsk;
  while (!Look(stage, count)) {
    std::this_thread::sleep_for(kPause);
    if (steady_clock::now() < next) continue;
    if (give_up()) return false;
    next = steady_clock::now() + kAsk;
  }
  return true;
}

std::string CheckpointWatch::Describe() const {
  const auto [number, folder] = NewestIn(dir_);
  if (number <= first_) return "no new checkpoint";
  const std::set<std::string> names = NamesIn(folder);
  if (names.contains("manifest")) return "whole";
  if (names.contains("manifest.new")) return "manifest.new";
  return names.empty() ? "folder" : "shards' files";
}

}  // namespace sherd
