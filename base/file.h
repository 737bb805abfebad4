#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/aligned_buffer.h"
#include "base/hash.h"
#include "base/status.h"

namespace sherd {

// Files and folders. All changes go through FileSystem::Current() (base/file_system.h).

// A whole file as text.
Result<std::string> ReadFile(const std::string& path);

// Replaces `path` by `text` so that a reader, or a crash at any moment, sees the old file or the new one: written
// beside it, fsynced, renamed, the folder fsynced.
Status WriteFileAtomically(const std::string& path, std::string_view text);

// Puts the names in a folder on disk: a file or folder that was made or renamed there survives a crash from here on.
Status SyncDirectory(const std::string& path);
// Makes a folder and those above it, for good: their names are fsynced. No error when it is there.
Status MakeDirectory(const std::string& path);
// Removes a file, or a folder with all it holds. No error when it is not there.
Status RemoveTree(const std::string& path);

// The folder of a path ("." for a bare name); `path` itself when it is absolute, else folder/path.
std::string DirectoryOf(const std::string& path);
std::string JoinPath(const std::string& folder, const std::string& path);

// A new file that is written from front to end, through buffers: one is filled while the disk takes the others.
// Thread-compatible.
class FileWriter {
 public:
  // kDirect: in large writes past the page cache, where the file system takes them. For files too large to be kept
  // there.
  enum class Caching { kPageCache, kDirect };
  // Overwrites what is there.
  static Result<std::unique_ptr<FileWriter>> Create(const std::string& path, Caching caching = Caching::kPageCache);
  ~FileWriter();

  Status Append(std::span<const std::byte> bytes) { return Append(bytes, Crc32c(bytes)); }
  // `crc` is the bytes' CRC32C, where it is known already.
  Status Append(std::span<const std::byte> bytes, std::uint32_t crc);
  // Writes what is buffered, fsyncs and closes. Without it the file is incomplete.
  Status Finish();
  std::uint64_t size() const { return size_; }
  // CRC32C of all bytes so far.
  std::uint32_t crc() const { return crc_; }

 private:
  static constexpr std::size_t kBuffers = 3;

  FileWriter(std::string path, int descriptor, Caching caching);
  Status StartWrite();
  Status AwaitWrites();
  Status Write(std::span<const std::byte> bytes);
  void GoThroughPageCache();

  const std::string path_;
  int descriptor_;
  bool direct_;
  struct Buffer {
    std::span<std::byte> bytes;          // begin on a page
    std::shared_future<Status> written;  // of what was in it last; invalid: nothing was
  };
  AlignedBuffer<std::byte> memory_;
  std::array<Buffer, kBuffers> buffers_;
  std::size_t filling_ = 0;  // one of them
  std::size_t buffered_ = 0;
  std::uint64_t size_ = 0;
  std::uint32_t crc_ = 0;
};

// A file that is read at any offset. Thread-safe.
class FileReader {
 public:
  static Result<std::unique_ptr<FileReader>> Open(const std::string& path);
  ~FileReader();

  // Fills `bytes`, or fails when the file ends before.
  Status ReadAt(std::uint64_t offset, std::span<std::byte> bytes) const;
  // Nobody asks for these bytes soon: the page cache need not keep them.
  void Forget(std::uint64_t offset, std::uint64_t bytes) const;
  std::uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }

 private:
  FileReader(std::string path, int descriptor, std::uint64_t size)
      : path_(std::move(path)), descriptor_(descriptor), size_(size) {}

  const std::string path_;
  const int descriptor_;
  const std::uint64_t size_;
};

}  // namespace sherd
