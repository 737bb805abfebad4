#include "worker/data/byte_source.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "worker/data/unpackers.h"

namespace sherd {
namespace {

class FileBytes : public ByteSource {
 public:
  FileBytes(std::string path, int descriptor, std::uint64_t offset, std::uint64_t expected_size)
      : path_(std::move(path)), descriptor_(descriptor), offset_(offset), expected_size_(expected_size) {}
  ~FileBytes() override { close(descriptor_); }

  Result<std::size_t> Read(char* data, std::size_t size) override {
    if (expected_size_ > 0) size = std::min<std::uint64_t>(size, expected_size_ - std::min(offset_, expected_size_));
    if (size == 0) return 0;
    ssize_t n;
    do {
      n = pread(descriptor_, data, size, static_cast<off_t>(offset_));
    } while (n < 0 && errno == EINTR);
    if (n < 0) return Status::Io("read " + path_ + " at byte " + std::to_string(offset_), errno);
    if (n == 0 && offset_ < expected_size_) {
      return Status::BadData(path_ + ": ends at byte " + std::to_string(offset_) + ", but had " +
                             std::to_string(expected_size_) + " bytes when the job began");
    }
    offset_ += static_cast<std::uint64_t>(n);
    return static_cast<std::size_t>(n);
  }

 private:
  const std::string path_;
  const int descriptor_;
  std::uint64_t offset_;
  const std::uint64_t expected_size_;  // 0: unknown
};

}  // namespace

Result<std::unique_ptr<ByteSource>> OpenFileBytes(const std::string& path, std::uint64_t offset,
                                                  std::uint64_t expected_size) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT) return Status::NotFound(path + ": the file is not there");
  if (descriptor < 0) return Status::Io("open " + path, errno);
  return std::unique_ptr<ByteSource>(std::make_unique<FileBytes>(path, descriptor, offset, expected_size));
}

Result<Compression> DetectCompression(const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> source, OpenFileBytes(path, 0, 0));
  char head[6] = {};
  std::size_t filled = 0;
  while (filled < sizeof(head)) {
    ASSIGN_OR_RETURN(const std::size_t n, source->Read(head + filled, sizeof(head) - filled));
    if (n == 0) break;
    filled += n;
  }
  const std::string_view magic(head, filled);
  if (magic.starts_with("\x1f\x8b")) return Compression::kGzip;
  if (magic.starts_with("\x28\xb5\x2f\xfd")) return Compression::kZstd;
  if (magic.starts_with(std::string_view("\xfd\x37\x7a\x58\x5a\x00", 6))) return Compression::kXz;
  return Compression::kNone;
}

Result<std::unique_ptr<ByteSource>> OpenUnpacked(const std::string& path, Compression compression,
                                                 std::uint64_t expected_size) {
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> bytes, OpenFileBytes(path, 0, expected_size));
  switch (compression) {
    case Compression::kNone:
      return bytes;
    case Compression::kGzip:
      return UnpackGzip(path, std::move(bytes));
    case Compression::kZstd:
      return UnpackZstd(path, std::move(bytes));
    case Compression::kXz:
      return UnpackXz(path, std::move(bytes));
  }
  LOG(FATAL) << "unknown compression";
}

}  // namespace sherd
