#include "launch/doctor/host_probe.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/aligned_buffer.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/host_name.h"
#include "launch/file_limit.h"
#include "launch/job_flags.h"
#include "launch/memory_budget.h"

namespace sherd {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kCopied = std::size_t{64} << 20;   // more than a cache holds
constexpr std::size_t kWritten = std::size_t{64} << 20;  // to each disk
constexpr int kCopies = 4;

double SecondsSince(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

std::string MarkName(const std::string& folder, std::uint64_t number) {
  return JoinPath(folder, ".sherd-doctor-" + std::to_string(number));
}

// "always [madvise] never": the one in brackets.
std::string HugePages() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string text;
  std::getline(file, text);
  const std::size_t begin = text.find('['), end = text.find(']');
  return begin == std::string::npos || end == std::string::npos ? "" : text.substr(begin + 1, end - begin - 1);
}

std::uint64_t AvailableMemory() {
  std::ifstream file("/proc/meminfo");
  for (std::string name; file >> name;) {
    std::uint64_t kilobytes = 0;
    if (name == "MemAvailable:" && file >> kilobytes) return kilobytes * 1024;
    file.ignore(256, '\n');
  }
  return 0;
}

double CopyRate() {
  AlignedBuffer<std::byte> from(kCopied), to(kCopied);
  std::memset(from.data(), 1, from.size());
  std::memset(to.data(), 2, to.size());
  const auto begin = SteadyClock::now();
  for (int i = 0; i < kCopies; ++i) {
    from[static_cast<std::size_t>(i)] = static_cast<std::byte>(i);
    std::memcpy(to.data(), from.data(), to.size());
  }
  const double seconds = SecondsSince(begin);
  return to[0] == from[0] ? static_cast<double>(kCopies * kCopied) / seconds : 0;
}

// A folder that is not there yet will be made in the nearest one above it that is.
std::string NearestFolder(std::string path) {
  std::error_code error;
  while (!std::filesystem::is_directory(path, error) && path != "/") path = DirectoryOf(path);
  return path;
}

Result<double> WriteRate(const std::string& folder) {
  const std::string path = JoinPath(folder, ".sherd-doctor-" + HostName() + "-" + std::to_string(getpid()));
  AlignedBuffer<std::byte> bytes(kWritten);
  for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    const std::uint64_t word = Mix(i);
    std::memcpy(bytes.data() + i, &word, sizeof(word));
  }
  const auto begin = SteadyClock::now();
  const auto write = [&]() -> Status {
    ASSIGN_OR_RETURN(const auto file, FileWriter::Create(path));
    RETURN_IF_ERROR(file->Append(bytes.span()));
    return file->Finish();
  };
  const Status written = write();
  const double seconds = SecondsSince(begin);
  const Status removed = RemoveTree(path);
  if (!written.ok()) return written;
  if (!removed.ok()) return removed;
  return static_cast<double>(kWritten) / seconds;
}

proto::DiskReport ProbeDisk(const std::string& purpose, const std::string& said) {
  proto::DiskReport disk;
  disk.set_purpose(purpose);
  disk.set_path(AbsolutePath(said));
  const std::string folder = NearestFolder(disk.path());
  struct statvfs info {};
  if (statvfs(folder.c_str(), &info) != 0) {
    disk.set_problem(std::string("look at ") + folder + ": " + std::strerror(errno));
    return disk;
  }
  disk.set_free(std::uint64_t{info.f_bavail} * info.f_frsize);
  if (disk.free() < 2 * kWritten) return disk;  // too full to try
  const Result<double> rate = WriteRate(folder);
  if (rate.ok()) disk.set_write_rate(*rate);
  if (!rate.ok()) disk.set_problem(rate.status().text());
  return disk;
}

void ProbeDisks(const proto::Job& job, std::uint64_t mark, proto::HostReport* report) {
  const auto add = [&](const char* purpose, const std::string& path) {
    if (!path.empty()) *report->add_disk() = ProbeDisk(purpose, path);
  };
  if (!job.checkpoint().dir().empty()) {
    add("checkpoint.dir", job.checkpoint().dir());
    std::error_code error;
    report->mutable_disk(0)->set_sees_mark(std::filesystem::exists(MarkName(job.checkpoint().dir(), mark), error));
  }
  add("checkpoint.server_dir", job.checkpoint().server_dir());
  add("cluster.spill_dir", job.cluster().spill_dir());
}

}  // namespace

SharedFolderMark::SharedFolderMark(const proto::Job& job, std::uint64_t number) {
  const std::string& folder = job.checkpoint().dir();
  std::error_code error;
  const bool there = std::filesystem::exists(folder, error);
  if (folder.empty() || !MakeDirectory(folder).ok()) return;
  if (!there) made_folder_ = folder;
  const std::string path = MarkName(folder, number);
  if (WriteFileAtomically(path, "").ok()) path_ = path;
}

SharedFolderMark::~SharedFolderMark() {
  if (!path_.empty()) {
    const Status removed = RemoveTree(path_);
    LOG_IF(WARNING, !removed.ok()) << removed.text();
  }
  std::error_code error;
  if (!made_folder_.empty()) std::filesystem::remove(made_folder_, error);  // if nothing has come into it
}

proto::HostReport ProbeHost(const proto::Job& job, const std::string& job_file, std::uint64_t mark) {
  proto::HostReport report;
  report.set_host(HostName());
  const auto hash = [](const std::string& path) -> Result<std::uint64_t> {
    ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    return HashBytes(text);
  };
  if (const auto program = hash("/proc/self/exe"); program.ok()) report.set_program_hash(*program);
  const auto file = hash(job_file);
  if (file.ok()) report.set_job_hash(*file);
  if (!file.ok()) report.set_job_problem(file.status().text());
  report.set_file_limit(RaiseFileLimit());
  if (const std::string pages = HugePages(); !pages.empty()) report.set_huge_pages(pages);
  report.set_memory(HostMemory());
  report.set_free_memory(std::min(AvailableMemory(), HostMemory()));
  if (report.free_memory() > 4 * kCopied) report.set_copy_rate(CopyRate());
  ProbeDisks(job, mark, &report);
  return report;
}

}  // namespace sherd
