#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <vector>

#include "base/hash.h"

namespace sherd {
namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

Status WriteAll(int descriptor, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Status::Io("write " + path, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
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
  ASSIGN_OR_RETURN(auto writer, FileWriter::Create(temporary));
  RETURN_IF_ERROR(writer->Append(std::as_bytes(std::span(text))));
  RETURN_IF_ERROR(writer->Finish());
  if (rename(temporary.c_str(), path.c_str()) != 0) return Status::Io("rename " + temporary + " to " + path, errno);
  return SyncDirectory(DirectoryOf(path));
}

Status SyncDirectory(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return Status::Io("open " + path, errno);
  const int result = fsync(descriptor);
  const int error = errno;
  close(descriptor);
  if (result != 0) return Status::Io("fsync " + path, error);
  return {};
}

Status MakeDirectory(const std::string& path) {
  std::error_code error;
  std::vector<std::string> missing;  // the innermost first
  for (std::filesystem::path level = path; !level.empty() && !std::filesystem::exists(level, error);
       level = level.parent_path()) {
    missing.push_back(level.string());
  }
  std::filesystem::create_directories(path, error);
  if (error) return Status(ErrorCode::kIo, "make folder " + path + ": " + error.message());
  for (const std::string& level : missing) RETURN_IF_ERROR(SyncDirectory(DirectoryOf(level)));
  return {};
}

Status RemoveTree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return Status(ErrorCode::kIo, "remove " + path + ": " + error.message());
  return {};
}

std::string DirectoryOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string JoinPath(const std::string& folder, const std::string& path) {
  return (std::filesystem::path(folder) / path).string();
}

Result<std::unique_ptr<FileWriter>> FileWriter::Create(const std::string& path) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) return Status::Io("create " + path, errno);
  return std::unique_ptr<FileWriter>(new FileWriter(path, descriptor));
}

FileWriter::~FileWriter() {
  if (descriptor_ >= 0) close(descriptor_);
}

Status FileWriter::Append(std::span<const std::byte> bytes) {
  crc_ = Crc32c(bytes, crc_);
  size_ += bytes.size();
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  return buffer_.size() < kBufferBytes ? Status() : Flush();
}

Status FileWriter::Flush() {
  const Status status = WriteAll(descriptor_, buffer_, path_);
  buffer_.clear();
  return status;
}

Status FileWriter::Finish() {
  RETURN_IF_ERROR(Flush());
  if (fsync(descriptor_) != 0) return Status::Io("fsync " + path_, errno);
  const int result = close(std::exchange(descriptor_, -1));
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
