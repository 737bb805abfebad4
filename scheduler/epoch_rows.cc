// The rows of an epoch, by file: who should train them, and what they have come to.
#include <fnmatch.h>

#include "scheduler/scheduler_impl.h"

namespace sherd {
namespace {

bool IsLike(const std::string& path, const std::string& pattern) {
  return ::fnmatch(pattern.c_str(), path.c_str(), 0) == 0 || ::fnmatch(("*/" + pattern).c_str(), path.c_str(), 0) == 0;
}

}  // namespace

void Scheduler::Impl::PreferLocalFiles() {
  const auto& hosts = options_.job.data().file_host();
  if (hosts.empty()) return;
  std::map<std::string, std::set<std::uint32_t>> files_on;
  for (const auto& [file, counts] : queue_->CountsByFile()) {
    const std::string path = chunks_->FileName(proto::Chunk::TRAIN, file);
    for (const proto::FileHost& place : hosts) {
      if (IsLike(path, place.file())) files_on[place.host()].insert(file);
    }
  }
  for (const std::uint32_t worker : membership_.LiveWorkers()) {
    const auto found = files_on.find(membership_.HostOf(worker));
    if (found != files_on.end()) queue_->Prefer(worker, found->second);
  }
}

std::vector<FileRows> Scheduler::Impl::RowsByFile() const {
  std::vector<FileRows> files;
  for (const auto& [file, counts] : queue_->CountsByFile()) {
    const std::string path = queue_->PathOf(file);
    files.push_back({.file = path.empty() ? chunks_->FileName(proto::Chunk::TRAIN, file) : path,
                     .read = counts.read,
                     .trained = counts.trained,
                     .bad = counts.bad,
                     .repeated = counts.repeated});
  }
  return files;
}

}  // namespace sherd
