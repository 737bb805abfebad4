#include "bench/disk_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <thread>

#include "base/aligned_buffer.h"
#include "base/hash.h"

namespace sherd::bench {
namespace {

constexpr std::size_t kCall = std::size_t{4} << 20, kPage = 4096;

// A buffer for direct calls. Its bytes are of no pattern: some disks compress.
class PageBuffer {
 public:
  PageBuffer() : memory_(kCall + kPage) {
    const std::size_t past = reinterpret_cast<std::uintptr_t>(memory_.data()) % kPage;
    data_ = memory_.data() + kPage - past;
    auto* words = reinterpret_cast<std::uint64_t*>(data_);
    for (std::size_t i = 0; i < kCall / sizeof(*words); ++i) words[i] = Mix(i);
  }
  std::byte* data() { return data_; }

 private:
  AlignedBuffer<std::byte> memory_;
  std::byte* data_;
};

int FlagsOf(DiskCalls calls) { return calls == DiskCalls::kDirect ? O_DIRECT : 0; }

Status WriteFile(const std::string& path, std::uint64_t bytes, DiskCalls calls) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | FlagsOf(calls), 0644);
  if (file < 0) return Status::Io(path, errno);
  PageBuffer buffer;
  Status status;
  for (std::uint64_t done = 0; status.ok() && done < bytes; done += kCall) {
    if (write(file, buffer.data(), kCall) != static_cast<ssize_t>(kCall)) status = Status::Io("write " + path, errno);
  }
  if (fsync(file) != 0) status = Status::Io("fsync " + path, errno);
  close(file);
  return status;
}

Status ReadFile(const std::string& path, DiskCalls calls) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | FlagsOf(calls));
  if (file < 0) return Status::Io(path, errno);
  posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL);
  PageBuffer buffer;
  ssize_t n = 0;
  do {
    n = read(file, buffer.data(), kCall);
  } while (n > 0);
  const int error = errno;
  close(file);
  return n < 0 ? Status::Io("read " + path, error) : Status();
}

template <class Function>
Status OnThreads(const std::vector<std::string>& paths, const Function& function) {
  std::vector<Status> statuses(paths.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    threads.emplace_back([&, i] { statuses[i] = function(paths[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Status& status : statuses) RETURN_IF_ERROR(status);
  return {};
}

}  // namespace

Status WriteFiles(const std::vector<std::string>& paths, std::uint64_t bytes_each, DiskCalls calls) {
  return OnThreads(paths, [&](const std::string& path) { return WriteFile(path, bytes_each, calls); });
}

Status ReadFiles(const std::vector<std::string>& paths, DiskCalls calls) {
  return OnThreads(paths, [&](const std::string& path) { return ReadFile(path, calls); });
}

void ForgetFiles(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    fsync(file);
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
  }
  std::ofstream("/proc/sys/vm/drop_caches") << "1\n";  // as root
}

}  // namespace sherd::bench
