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

using Path = std::filesystem::path;

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

// By number, the newest first.
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

// What a folder holds.
struct Found {
  enum class State { kWhole, kDamaged, kUnreadable, kTorn };
  std::uint64_t number = 0;
  std::string folder;
  State state = State::kTorn;
  std::set<std::string> files;  // that it is read from: normal paths
};

std::string NormalPath(const std::string& folder, const std::string& name) {
  return (Path(folder) / name).lexically_normal().string();
}

Found LookInto(std::uint64_t number, const std::string& folder) {
  Found found{.number = number, .folder = folder, .state = Found::State::kTorn, .files = {}};
  const auto manifest = ReadManifest(folder);
  if (!manifest.ok()) {
    // It may be good at another time, or to another version.
    if (manifest.status().code() != ErrorCode::kNotFound) found.state = Found::State::kUnreadable;
    return found;
  }
  for (const proto::ShardFile& file : manifest->file()) found.files.insert(NormalPath(folder, file.name()));
  found.state = OpenCheckpoint(folder).ok() ? Found::State::kWhole : Found::State::kDamaged;
  return found;
}

bool ShareFiles(const Found& a, const Found& b) {
  return std::ranges::any_of(a.files, [&b](const std::string& file) { return b.files.contains(file); });
}

// Numbers of those that stay.
std::set<std::uint64_t> Kept(const std::vector<Found>& folders, const KeepPolicy& policy) {
  std::set<std::uint64_t> kept;
  std::map<std::uint64_t, std::uint64_t> firsts;  // of each keep_every numbers
  const Found* newest = nullptr;
  std::uint32_t whole = 0;
  bool apart = policy.keep < 2;  // has one been kept that shares no file with the newest?
  for (const Found& found : folders) {
    if (found.state == Found::State::kUnreadable) kept.insert(found.number);
    // A folder that has no manifest and is newer than all that have may be one that is being written.
    if (found.state == Found::State::kTorn && whole == 0) kept.insert(found.number);
    if (found.state == Found::State::kDamaged && whole < policy.keep) kept.insert(found.number);
    std::error_code error;  // not there: not the same
    if (std::filesystem::equivalent(found.folder, policy.best, error)) kept.insert(found.number);
    if (found.state != Found::State::kWhole) continue;
    if (newest == nullptr) newest = &found;
    const bool is_apart = !ShareFiles(*newest, found);
    if (whole++ < policy.keep || (is_apart && !apart)) kept.insert(found.number);
    apart = apart || is_apart;
    if (policy.keep_every > 0) firsts[found.number / policy.keep_every] = found.number;  // the oldest comes last
  }
  for (const auto& [period, number] : firsts) {
    if (period > 0) kept.insert(number);
  }
  return kept;
}

// Takes the manifest away first and for good: what is left of a checkpoint must never look like one.
Status Remove(const std::string& folder, const std::set<std::string>& needed) {
  const std::string manifest = JoinPath(folder, "manifest");
  std::error_code error;
  if (std::filesystem::exists(manifest, error)) {
    RETURN_IF_ERROR(RemoveTree(manifest));
    RETURN_IF_ERROR(SyncDirectory(folder));
  }
  std::vector<std::string> files;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    files.push_back(NormalPath(folder, it->path().filename().string()));
  }
  if (std::ranges::none_of(files, [&](const auto& file) { return needed.contains(file); })) return RemoveTree(folder);
  for (const std::string& file : files) {
    if (!needed.contains(file)) RETURN_IF_ERROR(RemoveTree(file));
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> CheckpointsIn(const std::string& dir) {
  ASSIGN_OR_RETURN(const Folders folders, List(dir));
  std::vector<std::string> paths;
  for (const auto& [number, folder] : folders) paths.push_back(folder);
  return paths;
}

Result<std::string> NewestCheckpoint(const std::string& dir) {
  ASSIGN_OR_RETURN(const std::vector<std::string> folders, CheckpointsIn(dir));
  std::string reasons;
  for (const std::string& folder : folders) {
    const auto manifest = OpenCheckpoint(folder);
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

void CheckpointFolders::Distrust(const std::string& folder) {
  const Path path = Path(folder).lexically_normal();
  distrusted_.insert((path.has_filename() ? path : path.parent_path()).filename().string());
}

struct CheckpointFolders::Plan {
  std::vector<std::string> kept, pruned;  // folders, the newest first
  std::set<std::string> needed;           // files that the kept ones are read from
};

Result<CheckpointFolders::Plan> CheckpointFolders::MakePlan(const KeepPolicy& policy) const {
  ASSIGN_OR_RETURN(const Folders listed, List(dir_));
  std::vector<Found> folders;
  for (const auto& [number, folder] : listed) {
    folders.push_back(LookInto(number, folder));
    const bool distrusted = distrusted_.contains(Path(folder).filename().string());
    if (distrusted && folders.back().state == Found::State::kWhole) folders.back().state = Found::State::kDamaged;
  }
  const std::set<std::uint64_t> kept = Kept(folders, policy);
  Plan plan;
  for (const Found& found : folders) {
    (kept.contains(found.number) ? plan.kept : plan.pruned).push_back(found.folder);
    if (kept.contains(found.number)) plan.needed.insert(found.files.begin(), found.files.end());
  }
  return plan;
}

Result<std::set<std::string>> CheckpointFolders::Prune(const KeepPolicy& policy) {
  ASSIGN_OR_RETURN(const Plan plan, MakePlan(policy));
  std::set<std::string> names;
  for (const std::string& folder : plan.kept) names.insert(Path(folder).filename().string());
  for (const std::string& file : plan.needed) names.insert(Path(file).parent_path().filename().string());
  for (const std::string& folder : plan.pruned) RETURN_IF_ERROR(Remove(folder, plan.needed));
  return names;
}

Result<std::vector<PrunedFolder>> CheckpointFolders::WhatPruneDeletes(const KeepPolicy& policy) const {
  ASSIGN_OR_RETURN(const Plan plan, MakePlan(policy));
  std::vector<PrunedFolder> folders;
  for (const std::string& folder : plan.pruned) {
    const std::string normal = NormalPath(folder, "");
    const bool whole = std::ranges::none_of(plan.needed, [&](const auto& file) { return file.starts_with(normal); });
    folders.push_back({.folder = folder, .whole = whole});
  }
  return folders;
}

}  // namespace sherd
