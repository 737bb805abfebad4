#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sherd {

// The system calls that change files and folders: all that a program keeps goes through them. Results are those of the
// calls, -1 with errno after a failure. Replaced in tests, which so see what happens when a disk is full. Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual int Open(const std::string& path, int flags);
  virtual ssize_t Write(int descriptor, std::span<const std::byte> bytes);
  virtual int Sync(int descriptor);
  virtual int Close(int descriptor);
  virtual int Rename(const std::string& from, const std::string& to);
  virtual int MakeDirectory(const std::string& path);
  virtual int Remove(const std::string& path);  // a file, or an empty folder

  // What the functions of base/file.h call.
  static FileSystem& Current();
};

// For tests: puts another one in the place of the system's as long as it lives, for all threads of the process.
class FileSystemReplacement {
 public:
  explicit FileSystemReplacement(FileSystem* replacement);
  ~FileSystemReplacement();
  FileSystemReplacement(const FileSystemReplacement&) = delete;
  FileSystemReplacement& operator=(const FileSystemReplacement&) = delete;
};

}  // namespace sherd
