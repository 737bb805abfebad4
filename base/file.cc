#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/file_system.h"

namespace sherd {
namespace {

// Three of them a file stay in cache, and the next write is on its way before the disk is done with one.
constexpr std::size_t kBufferBytes = 1 << 20;
constexpr std::size_t kPage = 4096;  // direct writes begin and end on these, in the file as in memory

FileSystem& Files() { return FileSystem::Current(); }

Status WriteFile(const std::string& path, std::string_view text) {
  ASSIGN_OR_RETURN(auto writer, FileWriter::Create(path));
  RETURN_IF_ERROR(writer->Append(std::as_bytes(std::span(text))));
  return writer->Finish();
}

}  // namespace

Result<std::string> ReadFile(const std::string& path) {
  ASSIGN_OR_RETURN(auto reader, FileReader::Open(path));
  std::string text(reader->size(), '\0');
  RETURN_IF_ERROR(reader->ReadAt(0, std::as_writable_bytes(std::span(text))));
  return text;
}

Status WriteFileAtomically(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".new";
  Status status = WriteFile(temporary, text);
  if (status.ok() && Files().Rename(temporary, path) != 0) {
    status = Status::Io("rename " + temporary + " to " + path, errno);
  }
  if (status.ok()) return SyncDirectory(DirectoryOf(path));
  Files().Remove(temporary);
  return status;
}

Status SyncDirectory(const std::string& path) {
  const int descriptor = Files().Open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return Status::Io("open " + path, errno);
  const int result = Files().Sync(descriptor);
  const int error = errno;
  Files().Close(descriptor);
  if (result != 0) return Status::Io("fsync " + path, error);
  return {};
}

Status MakeDirectory(const std::string& path) {
  std::error_code error;
  std::vector<std::string> missing;  // the innermost first
  for (std::filesystem::path level = path; !level.empty() && !std::filesystem::exists(level, error);
       level = level.parent_path()) {
    if (level.has_filename()) missing.push_back(level.string());
  }
  for (; !missing.empty(); missing.pop_back()) {
    const std::string& level = missing.back();
    // Somebody else may have made it, or it is there by another name: x/../y.
    if (Files().MakeDirectory(level) != 0 && errno != EEXIST) return Status::Io("make folder " + level, errno);
    RETURN_IF_ERROR(SyncDirectory(DirectoryOf(level)));
  }
  if (!std::filesystem::is_directory(path, error)) return Status::Io("make folder " + path, ENOTDIR);
  return {};
}

Status RemoveTree(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(std::filesystem::symlink_status(path, error))) {
    std::vector<std::string> inside;
    for (std::filesystem::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
      inside.push_back(it->path().string());
    }
    if (error) return Status(ErrorCode::kIo, "remove " + path + ": " + error.message());
    for (const std::string& name : inside) RETURN_IF_ERROR(RemoveTree(name));
  }
  if (Files().Remove(path) != 0 && errno != ENOENT) return Status::Io("remove " + path, errno);
  return {};
}

std::string DirectoryOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string JoinPath(const std::string& folder, const std::string& path) {
  return (std::filesystem::path(folder) / path).string();
}

Result<std::unique_ptr<FileWriter>> FileWriter::Create(const std::string& path, Caching caching) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
  int descriptor = -1;
  if (caching == Caching::kDirect) descriptor = Files().Open(path, kFlags | O_DIRECT);
  if (descriptor < 0) {
    caching = Caching::kPageCache;
    descriptor = Files().Open(path, kFlags);
  }
  if (descriptor < 0) return Status::Io("create " + path, errno);
  return std::unique_ptr<FileWriter>(new FileWriter(path, descriptor, caching));
}

FileWriter::FileWriter(std::string path, int descriptor, Caching caching)
    : path_(std::move(path)), descriptor_(descriptor), direct_(caching == Caching::kDirect) {
  memory_.Resize(kBuffers * kBufferBytes + kPage);
  std::size_t at = kPage - reinterpret_cast<std::uintptr_t>(memory_.data()) % kPage;
  for (Buffer& buffer : buffers_) {
    buffer.bytes = memory_.span().subspan(at, kBufferBytes);
    at += kBufferBytes;
  }
}

FileWriter::~FileWriter() {
  (void)AwaitWrites();
  if (descriptor_ >= 0) Files().Close(descriptor_);
}

Status FileWriter::Append(std::span<const std::byte> bytes, std::uint32_t crc) {
  crc_ = Crc32cOfBoth(crc_, crc, bytes.size());
  size_ += bytes.size();
  while (!bytes.empty()) {
    const std::span<std::byte> buffer = buffers_[filling_].bytes;
    const std::size_t n = std::min(bytes.size(), buffer.size() - buffered_);
    std::memcpy(&buffer[buffered_], bytes.data(), n);
    bytes = bytes.subspan(n);
    buffered_ += n;
    if (buffered_ < buffer.size()) break;
    RETURN_IF_ERROR(StartWrite());
  }
  return {};
}

// A buffer is megabytes: a thread for each costs nothing beside the writing. It waits for the one before, so that the
// disk goes from one to the next without whoever fills them.
Status FileWriter::StartWrite() {
  const std::shared_future<Status> before = buffers_[(filling_ + kBuffers - 1) % kBuffers].written;
  Buffer& full = buffers_[filling_];
  full.written = std::async(std::launch::async, [this, before, bytes = full.bytes]() -> Status {
    if (before.valid()) RETURN_IF_ERROR(before.get());
    return Write(bytes);
  });
  filling_ = (filling_ + 1) % kBuffers;
  buffered_ = 0;
  const std::shared_future<Status>& last = buffers_[filling_].written;
  return last.valid() ? last.get() : Status();
}

Status FileWriter::AwaitWrites() {
  const std::shared_future<Status>& last = buffers_[(filling_ + kBuffers - 1) % kBuffers].written;
  return last.valid() ? last.get() : Status();
}

Status FileWriter::Write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    // A file's end is on no page, and a disk that was nearly full may have taken a part of one.
    if (bytes.size() % kPage != 0) GoThroughPageCache();
    const ssize_t n = Files().Write(descriptor_, bytes);
    if (n >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    } else if (errno == EINVAL && direct_) {
      GoThroughPageCache();
    } else if (errno != EINTR) {
      return Status::Io("write " + path_, errno);
    }
  }
  return {};
}

void FileWriter::GoThroughPageCache() {
  if (!direct_) return;
  direct_ = false;
  fcntl(descriptor_, F_SETFL, fcntl(descriptor_, F_GETFL) & ~O_DIRECT);
}

Status FileWriter::Finish() {
  RETURN_IF_ERROR(AwaitWrites());
  RETURN_IF_ERROR(Write(buffers_[filling_].bytes.first(buffered_)));
  buffered_ = 0;
  if (Files().Sync(descriptor_) != 0) return Status::Io("fsync " + path_, errno);
  const int result = Files().Close(std::exchange(descriptor_, -1));
  if (result != 0) return Status::Io("close " + path_, errno);
  return {};
}

Result<std::unique_ptr<FileReader>> FileReader::Open(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == ENOENT) return Status::NotFound(path + ": no such file");
    return Status::Io("open " + path, errno);
  }
  struct stat status;
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor);
    return Status::NotFound(path + ": not a regular file");
  }
  return std::unique_ptr<FileReader>(new FileReader(path, descriptor, static_cast<std::uint64_t>(status.st_size)));
}

FileReader::~FileReader() { close(descriptor_); }

void FileReader::Forget(std::uint64_t offset, std::uint64_t bytes) const {
  posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(bytes), POSIX_FADV_DONTNEED);
}

Status FileReader::ReadAt(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = pread(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Status::Io("read " + path_, errno);
    if (n == 0) return Status::BadData(path_ + ": ends at byte " + std::to_string(offset) + ", more was expected");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

}  // namespace sherd
