#include "base/leadership.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string_view>

#include "base/file.h"
#include "base/file_system.h"
#include "base/record_file.h"

namespace sherd {
namespace {

constexpr std::string_view kTerm = "term-";

std::string NameOf(const std::string& dir, const char* kind, std::uint32_t term) {
  char name[32];
  std::snprintf(name, sizeof name, "%s-%06u", kind, term);
  return JoinPath(dir, name);
}

std::uint32_t TermOf(std::string_view name) {
  std::uint32_t term = 0;
  if (!name.starts_with(kTerm)) return 0;
  name.remove_prefix(kTerm.size());
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), term);
  return error == std::errc() && end == name.data() + name.size() ? term : 0;
}

// Nothing: it was not written to its end, or is not to be read. Whoever took it is not heard of then.
std::optional<proto::Leader> LeaderOf(const std::string& dir, std::uint32_t term) {
  const auto records = ReadRecords(NameOf(dir, "term", term));
  proto::Leader leader;
  if (!records.ok() || records->empty() || !leader.ParseFromString(records->front())) return std::nullopt;
  return leader.term() == term && !leader.endpoint().empty() ? std::optional(std::move(leader)) : std::nullopt;
}

// In place, and not fsynced: that others see it is all that it is for.
Status WriteBeat(const std::string& path, std::uint64_t count) {
  FileSystem& files = FileSystem::Current();
  const int descriptor = files.Open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
  if (descriptor < 0) return Status::Io("open " + path, errno);
  const std::string text = std::to_string(count) + "\n";
  const ssize_t written = files.Write(descriptor, std::as_bytes(std::span(text)));
  const int error = errno;
  files.Close(descriptor);
  return written == static_cast<ssize_t>(text.size()) ? Status() : Status::Io("write " + path, error);
}

}  // namespace

Result<std::uint32_t> GreatestTerm(const std::string& dir) {
  std::uint32_t greatest = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    greatest = std::max(greatest, TermOf(it->path().filename().string()));
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return Status(ErrorCode::kIo, "list folder " + dir + ": " + error.message());
  }
  return greatest;
}

Result<std::optional<proto::Leader>> NewestLeader(const std::string& dir, std::uint64_t job) {
  ASSIGN_OR_RETURN(const std::uint32_t greatest, GreatestTerm(dir));
  for (std::uint32_t term = greatest; term > 0; --term) {
    std::optional<proto::Leader> leader = LeaderOf(dir, term);
    if (leader.has_value() && leader->job() == job) return leader;
  }
  return std::optional<proto::Leader>();
}

std::string BeatOf(const std::string& dir, std::uint32_t term) {
  const auto beat = ReadFile(NameOf(dir, "beat", term));
  return beat.ok() ? *beat : "";
}

Result<std::unique_ptr<Leadership>> Leadership::Claim(const std::string& dir, const proto::Leader& leader,
                                                      std::chrono::milliseconds beat_every) {
  RETURN_IF_ERROR(MakeDirectory(dir));
  ASSIGN_OR_RETURN(const auto file,
                   RecordFile::CreateIfAbsent(NameOf(dir, "term", leader.term()), leader.SerializeAsString()));
  if (file == nullptr) return std::unique_ptr<Leadership>();
  return std::unique_ptr<Leadership>(new Leadership(dir, leader.term(), beat_every));
}

Leadership::Leadership(std::string dir, std::uint32_t term, std::chrono::milliseconds beat_every)
    : dir_(std::move(dir)), term_(term), beat_every_(beat_every), thread_([this] { Beat(); }) {}

void Leadership::End() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  ended_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Status Leadership::Check() {
  const auto greatest = GreatestTerm(dir_);
  if (greatest.ok() && *greatest > term_) lost_ = true;
  if (!lost_) return greatest.status();
  return Status::Unavailable("another scheduler has taken the job over from this one, of term " +
                             std::to_string(term_));
}

// A failure to write is what others see of it: they take it for dead.
void Leadership::Beat() {
  std::unique_lock lock(mutex_);
  for (std::uint64_t count = 1; !over_; ++count) {
    lock.unlock();
    (void)Check();
    if (!lost_) {
      const Status status = WriteBeat(NameOf(dir_, "beat", term_), count);
      LOG_IF_EVERY_N(WARNING, !status.ok(), 100) << status.text();
    }
    lock.lock();
    ended_.wait_for(lock, beat_every_, [this] { return over_; });
  }
}

}  // namespace sherd
