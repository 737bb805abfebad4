#include "base/file_system.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

namespace sherd {
namespace {

std::atomic<FileSystem*> replacement{nullptr};

}  // namespace

int FileSystem::Open(const std::string& path, int flags) { return open(path.c_str(), flags, 0644); }
ssize_t FileSystem::Write(int descriptor, std::span<const std::byte> bytes) {
  return write(descriptor, bytes.data(), bytes.size());
}
int FileSystem::Sync(int descriptor) { return fsync(descriptor); }
int FileSystem::Close(int descriptor) { return close(descriptor); }
int FileSystem::Rename(const std::string& from, const std::string& to) { return rename(from.c_str(), to.c_str()); }
int FileSystem::MakeDirectory(const std::string& path) { return mkdir(path.c_str(), 0777); }
int FileSystem::Remove(const std::string& path) { return remove(path.c_str()); }

FileSystem& FileSystem::Current() {
  static FileSystem system;
  FileSystem* const replaced = replacement.load();
  return replaced == nullptr ? system : *replaced;
}

FileSystemReplacement::FileSystemReplacement(FileSystem* files) {
  CHECK(replacement.exchange(files) == nullptr) << "the file system is replaced already";
}
FileSystemReplacement::~FileSystemReplacement() { replacement = nullptr; }

}  // namespace sherd
