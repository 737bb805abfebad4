#include "tests/testing/volatile_disk.h"

#include <fcntl.h>
#include <glog/logging.h>

#include <filesystem>
#include <fstream>

namespace sherd {

namespace fs = std::filesystem;

VolatileDisk::VolatileDisk(const std::string& root) : root_(fs::path(root).lexically_normal().string()) {
  CHECK(fs::is_empty(root_));
  nodes_[0].folder = true;
}

VolatileDisk::Place VolatileDisk::Find(const std::string& path) {
  const fs::path relative = fs::path(path).lexically_normal().lexically_relative(root_);
  if (relative.empty() || *relative.begin() == "..") return {};
  Node* folder = &nodes_[0];
  for (const fs::path& step : relative.parent_path()) {
    const auto found = folder->names.find(step.string());
    if (found == folder->names.end()) return {};
    folder = &nodes_[found->second];
  }
  return {.folder = folder, .name = relative.filename().string()};
}

bool VolatileDisk::Knows(const std::string& path) {
  const Place place = Find(path);
  return place.folder != nullptr && (place.name == "." || place.folder->names.contains(place.name));
}

VolatileDisk::Id VolatileDisk::Add(bool folder) {
  nodes_[++last_].folder = folder;
  return last_;
}

void VolatileDisk::Announce() const {
  if (before_change) before_change();
}

int VolatileDisk::Open(const std::string& path, int flags) {
  const std::lock_guard lock(mutex_);
  const Place place = Find(path);
  const bool changes = place.folder != nullptr && (flags & (O_CREAT | O_TRUNC)) != 0;
  if (changes) Announce();
  const int descriptor = FileSystem::Open(path, flags);
  if (descriptor < 0 || place.folder == nullptr) return descriptor;
  if (place.name != "." && !place.folder->names.contains(place.name)) {
    CHECK(changes) << path << " was made by other means";
    place.folder->names[place.name] = Add(/*folder=*/false);
  }
  const Id id = place.name == "." ? 0 : place.folder->names[place.name];
  if ((flags & O_TRUNC) != 0) nodes_[id].contents.clear();
  open_[descriptor] = id;
  return descriptor;
}

ssize_t VolatileDisk::Write(int descriptor, std::span<const std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  const auto file = open_.find(descriptor);
  if (file != open_.end()) Announce();
  const ssize_t n = FileSystem::Write(descriptor, bytes);
  if (file != open_.end() && n > 0) {
    nodes_[file->second].contents.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(n));
  }
  return n;
}

int VolatileDisk::Sync(int descriptor) {
  const std::lock_guard lock(mutex_);
  const auto file = open_.find(descriptor);
  if (file == open_.end()) return FileSystem::Sync(descriptor);
  Announce();
  Node& node = nodes_[file->second];
  node.synced_contents = node.contents;
  node.synced_names = node.names;
  return 0;  // the disk itself is not what is tested
}

int VolatileDisk::Close(int descriptor) {
  const std::lock_guard lock(mutex_);
  open_.erase(descriptor);
  return FileSystem::Close(descriptor);
}

int VolatileDisk::Rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  const bool ours = Knows(from);
  if (ours) Announce();
  const int result = FileSystem::Rename(from, to);
  if (result != 0 || !ours) return result;
  const Place old_place = Find(from), place = Find(to);
  CHECK(place.folder != nullptr) << to << " is elsewhere";
  const auto node = old_place.folder->names.extract(old_place.name);
  place.folder->names[place.name] = node.mapped();
  return result;
}

int VolatileDisk::MakeDirectory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const Place place = Find(path);
  if (place.folder != nullptr) Announce();
  const int result = FileSystem::MakeDirectory(path);
  if (result == 0 && place.folder != nullptr) place.folder->names[place.name] = Add(/*folder=*/true);
  return result;
}

int VolatileDisk::Remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const Place place = Find(path);
  if (place.folder != nullptr) Announce();
  const int result = FileSystem::Remove(path);
  if (result == 0 && place.folder != nullptr) place.folder->names.erase(place.name);
  return result;
}

VolatileDisk::Names VolatileDisk::NamesAfterCut(const Node& folder, Early early) {
  Names names = folder.synced_names;
  for (const auto& [name, id] : folder.synced_names) {
    if (early.removed && !folder.names.contains(name)) names.erase(name);
  }
  for (const auto& [name, id] : folder.names) {
    if (early.added) names[name] = id;
  }
  return names;
}

void VolatileDisk::Build(Id id, const std::string& path, Early early) const {
  const Node& node = nodes_.at(id);
  if (!node.folder) {
    std::ofstream(path, std::ios::binary) << (early.contents ? node.contents : node.synced_contents);
    return;
  }
  fs::create_directory(path);
  for (const auto& [name, child] : NamesAfterCut(node, early)) Build(child, path + "/" + name, early);
}

void VolatileDisk::CutPower(const std::string& to, Early early) const {
  fs::remove_all(to);
  Build(0, to, early);
}

}  // namespace sherd
