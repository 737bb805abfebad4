#include "bench/disk_reads.h"

#include <fcntl.h>
#include <liburing.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <system_error>

#include "base/hash.h"

namespace sherd::bench {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr unsigned kDepths[] = {32, 128, 512};
constexpr std::chrono::duration<double> kTrial(0.5);

using Clock = std::chrono::steady_clock;

class Descriptor {
 public:
  explicit Descriptor(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC)) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

struct FreeMemory {
  void operator()(void* memory) const { std::free(memory); }
};
using Blocks = std::unique_ptr<char, FreeMemory>;
Blocks MakeBlocks(std::size_t bytes) { return Blocks(static_cast<char*>(std::aligned_alloc(kBlock, bytes))); }

// Keeps `depth` reads in flight.
class Reader {
 public:
  Reader(int fd, std::uint64_t blocks, unsigned depth)
      : fd_(fd), blocks_(blocks), depth_(depth), memory_(MakeBlocks(depth * kBlock)) {}
  ~Reader() {
    if (ready_) io_uring_queue_exit(&ring_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Result<double> ReadsPerSecond() {
    if (const int error = io_uring_queue_init(depth_, &ring_, 0); error < 0) return Status::Io("io_uring", -error);
    ready_ = true;
    for (unsigned i = 0; i < depth_; ++i) Ask(i);
    const Clock::time_point begin = Clock::now();
    while (Clock::now() - begin < kTrial) RETURN_IF_ERROR(Turn(kFurther));
    const std::uint64_t reads = done_;
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    while (done_ < asked_) RETURN_IF_ERROR(Turn(kNoMore));
    return static_cast<double>(reads) / seconds;
  }

 private:
  enum Then { kFurther, kNoMore };

  void Ask(std::uint64_t block) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    const std::uint64_t offset = Below(Mix(asked_++, depth_), blocks_) * kBlock;
    io_uring_prep_read(sqe, fd_, memory_.get() + block * kBlock, kBlock, offset);
    sqe->user_data = block;
  }

  // Waits for one read at least, and asks for another for each that is done.
  Status Turn(Then then) {
    if (const int error = io_uring_submit_and_wait(&ring_, 1); error < 0 && error != -EINTR) {
      return Status::Io("io_uring", -error);
    }
    for (io_uring_cqe* cqe = nullptr; io_uring_peek_cqe(&ring_, &cqe) == 0;) {
      if (cqe->res != static_cast<int>(kBlock)) return Status::Io("random read", cqe->res < 0 ? -cqe->res : EIO);
      const std::uint64_t block = cqe->user_data;
      io_uring_cqe_seen(&ring_, cqe);
      ++done_;
      if (then == kFurther) Ask(block);
    }
    return {};
  }

  const int fd_;
  const std::uint64_t blocks_;
  const unsigned depth_;
  const Blocks memory_;
  io_uring ring_;
  bool ready_ = false;
  std::uint64_t asked_ = 0, done_ = 0;
};

// Its name under /proc, by which it can be opened once more though it has no other.
Result<std::string> OpenFileIn(const std::string& folder) {
  std::error_code error;
  const std::string within = std::filesystem::canonical(folder, error).string() + "/";
  if (error) return Status::Io(folder, error.value());
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const std::string target = std::filesystem::read_symlink(entry.path(), error).string();
    if (!error && target.starts_with(within)) return entry.path().string();
  }
  return Status::BadData("no file is open in " + folder);
}

}  // namespace

Result<double> RandomReadsPerSecond(const std::string& folder) {
  ASSIGN_OR_RETURN(const std::string path, OpenFileIn(folder));
  const Descriptor file(path);
  struct stat stat;
  if (file.get() < 0 || fstat(file.get(), &stat) != 0) return Status::Io(path, errno);
  const std::uint64_t blocks = static_cast<std::uint64_t>(stat.st_size) / kBlock;
  if (blocks == 0) return Status::BadData("the file in " + folder + " is empty");
  double best = 0;
  for (const unsigned depth : kDepths) {
    ASSIGN_OR_RETURN(const double rate, Reader(file.get(), blocks, depth).ReadsPerSecond());
    best = std::max(best, rate);
  }
  return best;
}

Result<std::uint64_t> BytesReadFromDisk() {
  std::ifstream file("/proc/self/io");
  std::string word;
  for (std::uint64_t value = 0; file >> word >> value;) {
    if (word == "read_bytes:") return value;
  }
  return Status::BadData("/proc/self/io has no read_bytes");
}

}  // namespace sherd::bench
