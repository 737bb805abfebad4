#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "proto/job.pb.h"

namespace sherd {

struct FoundFiles {
  std::string folder;              // as data.train would have it; a path is folder + name
  std::vector<std::string> names;  // in the order in which they came: by the time of their last change, then by name
};

// The files of data.follow that are there. Hidden ones, folders, and names that end with ".partial", ".new" or ".tmp"
// are not among them. NotFound: the folder is not there.
Result<FoundFiles> FindFollowedFiles(const proto::Data& data);

// Is it there, without a byte? Nobody knows its format, and it needs none.
bool IsEmptyFile(const proto::Data& data, const std::string& path);

// The files of data.follow that a dataset reads. Thread-safe.
template <typename File>
class FollowedFiles {
 public:
  using Open = std::function<Result<std::unique_ptr<File>>()>;

  // The file of a chunk with a path, opened when it is asked for first. It stays until kKept newer ones were asked for.
  Result<const File*> Find(const proto::Chunk& chunk, const Open& open) {
    const std::lock_guard lock(mutex_);
    const auto known = files_.find(chunk.file());
    if (known != files_.end()) return known->second.get();
    ASSIGN_OR_RETURN(std::unique_ptr<File> opened, open());
    const File* const found = (files_[chunk.file()] = std::move(opened)).get();
    while (files_.size() > kKept && files_.begin()->first != chunk.file()) files_.erase(files_.begin());
    return found;
  }

  // "": none of those that stand open.
  std::string PathOf(std::uint32_t file) const {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(file);
    return found == files_.end() ? "" : found->second->path();
  }

 private:
  static constexpr std::size_t kKept = 1024;  // far more than a worker has chunks of at a time

  mutable std::mutex mutex_;
  std::map<std::uint32_t, std::unique_ptr<File>> files_;
};

}  // namespace sherd
