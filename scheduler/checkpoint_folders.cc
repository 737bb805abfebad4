#include "scheduler/checkpoint_folders.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string_view>

#include "base/file.h"
#include "base/manifest.h"

namespace sherd {
namespace {

constexpr std::string_view kPrefix = "checkpoint-";

std::optional<std::uint64_t> NumberOf(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

using Folders = std::map<std::uint64_t, std::string, std::greater<>>;

// By number, the newest first. A folder that is not there has none.
Result<Folders> List(const std::string& dir) {
  Folders folders;
  std::error_code error;
  for (std::filesystem::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (const auto number = NumberOf(name)) folders.emplace(*number, JoinPath(dir, name));
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return Status(ErrorCode::kIo, "list folder " + dir + ": " + error.message());
  }
  return folders;
}

}  // namespace

Result<std::string> NewestCheckpoint(const std::string& dir) {
  ASSIGN_OR_RETURN(const Folders folders, List(dir));
  std::string reasons;
  for (const auto& [number, folder] : folders) {
    const auto manifest = ReadManifest(folder);
    if (manifest.ok()) return folder;
    reasons += "; " + manifest.status().text();
  }
  return Status::NotFound(dir + ": no checkpoint here" + reasons);
}

Result<std::string> CheckpointFolders::MakeNext() {
  ASSIGN_OR_RETURN(const Folders folders, List(dir_));
  if (!folders.empty()) last_ = std::max(last_, folders.begin()->first);
  char name[64];
  std::snprintf(name, sizeof name, "checkpoint-%06llu", static_cast<unsigned long long>(++last_));
  const std::string folder = JoinPath(dir_, name);
  RETURN_IF_ERROR(MakeDirectory(folder));
  return folder;
}

Status CheckpointFolders::Prune(std::uint32_t keep, const std::string& best) {
  ASSIGN_OR_RETURN(const Folders folders, List(dir_));
  std::uint32_t valid = 0;
  for (const auto& [number, folder] : folders) {
    const auto manifest = ReadManifest(folder);
    if (manifest.ok()) ++valid;
    std::error_code error;  // not there: not the same
    if (std::filesystem::equivalent(folder, best, error)) continue;
    // A manifest that can not be read now may be good at another time or to another version. A folder that has none and
    // is newer than all that have may be one that is being written.
    const bool torn = !manifest.ok() && manifest.status().code() == ErrorCode::kNotFound && valid > 0;
    const bool old = manifest.ok() && valid > keep;
    if (torn || old) RETURN_IF_ERROR(RemoveTree(folder));
  }
  return {};
}

}  // namespace sherd
