#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"

namespace sherd {

// The real file system, of which one chosen call fails, or all from one on. A failed close has closed, as on Linux.
// Thread-safe once it is set up.
class FaultyFileSystem : public FileSystem {
 public:
  std::int64_t fail_at = -1;  // by its number
  bool go_on = false;         // and all after it
  int error = EIO;
  std::int64_t room = -1;  // bytes that can be written before the disk is full; -1: any

  std::int64_t calls() const { return calls_; }
  bool refused_removal() const { return refused_removal_; }

  int Open(const std::string& path, int flags) override { return Fails() ? -1 : FileSystem::Open(path, flags); }
  ssize_t Write(int descriptor, std::span<const std::byte> bytes) override {
    if (Fails()) return -1;
    if (room >= 0) {
      const std::int64_t left = room - written_;
      if (left <= 0) return errno = ENOSPC, -1;
      if (static_cast<std::int64_t>(bytes.size()) > left) bytes = bytes.first(static_cast<std::size_t>(left));
    }
    const ssize_t n = FileSystem::Write(descriptor, bytes);
    if (n > 0) written_ += n;
    return n;
  }
  int Sync(int) override { return Fails() ? -1 : 0; }  // waiting for the disk would be a test's longest part
  int Close(int descriptor) override {
    const int result = FileSystem::Close(descriptor);
    return Fails() ? -1 : result;
  }
  int Rename(const std::string& from, const std::string& to) override {
    return Fails() ? -1 : FileSystem::Rename(from, to);
  }
  int MakeDirectory(const std::string& path) override { return Fails() ? -1 : FileSystem::MakeDirectory(path); }
  int Remove(const std::string& path) override {
    if (!Fails()) return FileSystem::Remove(path);
    refused_removal_ = true;
    return -1;
  }

 private:
  bool Fails() {
    const std::int64_t call = calls_++;
    const bool fails = fail_at >= 0 && (call == fail_at || (go_on && call > fail_at));
    if (fails) errno = error;
    return fails;
  }

  std::atomic<std::int64_t> calls_{0}, written_{0};
  std::atomic<bool> refused_removal_ = false;
};

}  // namespace sherd
