#include "ps/scratch_file.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/aligned_buffer.h"
#include "base/file.h"
#include "ps/read_queue.h"

namespace sherd {
namespace {

std::int64_t OrErrno(std::int64_t result) { return result < 0 ? -errno : result; }

class SystemFile : public ScratchFile {
 public:
  explicit SystemFile(int descriptor) : descriptor_(descriptor) { queue_ = ReadQueue::Open(descriptor, &queue_error_); }
  ~SystemFile() override {
    queue_.reset();
    close(descriptor_);
  }

  std::int64_t Write(std::uint64_t offset, std::span<const std::byte> bytes) override {
    return OrErrno(pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset)));
  }
  std::int64_t ReadNow(std::uint64_t offset, std::span<std::byte> bytes) override {
    return OrErrno(pread(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset)));
  }
  std::int64_t StartReads(std::span<const Read> reads) override {
    return queue_ == nullptr ? -queue_error_ : queue_->Start(reads);
  }
  std::int64_t WaitReads(std::chrono::milliseconds patience, std::span<Done> done) override {
    return queue_ == nullptr ? -queue_error_ : queue_->Wait(patience, done);
  }
  std::int64_t PunchHole(std::uint64_t offset, std::uint64_t bytes) override {
    return OrErrno(fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                             static_cast<off_t>(bytes)));
  }
  std::int64_t Truncate(std::uint64_t bytes) override {
    return OrErrno(ftruncate(descriptor_, static_cast<off_t>(bytes)));
  }
  std::int64_t FreeBytes() override {
    struct statvfs disk;
    if (fstatvfs(descriptor_, &disk) != 0) return -errno;
    return static_cast<std::int64_t>(disk.f_bavail * disk.f_frsize);
  }

 private:
  const int descriptor_;
  int queue_error_ = 0;
  std::unique_ptr<ReadQueue> queue_;
};

// File systems without O_TMPFILE (NFS, some overlays) get a file whose name is removed at once.
int OpenUnnamed(const std::string& folder, int flags) {
  const int descriptor = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | flags, 0600);
  if (descriptor >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) return descriptor;
  std::string name = JoinPath(folder, "spill-XXXXXX");
  const int named = mkostemp(name.data(), O_CLOEXEC | flags);
  if (named >= 0) unlink(name.c_str());
  return named;
}

// Some file systems open with O_DIRECT and then refuse to write so.
bool WritesBlocks(int descriptor) {
  void* block = std::aligned_alloc(ScratchFile::kBlock, ScratchFile::kBlock);
  if (block == nullptr) return false;
  std::memset(block, 0, ScratchFile::kBlock);
  const bool refused = pwrite(descriptor, block, ScratchFile::kBlock, 0) < 0 && errno == EINVAL;
  std::free(block);
  return !refused;
}

}  // namespace

Result<std::unique_ptr<ScratchFile>> OpenScratchFile(const std::string& folder) {
  RETURN_IF_ERROR(MakeDirectory(folder));
  int descriptor = OpenUnnamed(folder, O_DIRECT);
  if (descriptor >= 0 && !WritesBlocks(descriptor)) {
    close(descriptor);
    descriptor = -1;
    errno = EINVAL;
  }
  if (descriptor < 0 && errno == EINVAL) descriptor = OpenUnnamed(folder, 0);
  if (descriptor < 0) return Status::Io("make a scratch file in " + folder, errno);
  return std::unique_ptr<ScratchFile>(std::make_unique<SystemFile>(descriptor));
}

}  // namespace sherd
