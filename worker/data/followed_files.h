#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "proto/job.pb.h"
#include "worker/data/text_file.h"

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
class FollowedFiles {
 public:
  using Open = std::function<Result<std::unique_ptr<TextFile>>()>;

  // The file of a chunk with a path, opened when it is asked for first. It stays until kKept newer ones were asked for.
  Result<const TextFile*> Find(const proto::Chunk& chunk, const Open& open);
  // "": none of those that stand open.
  std::string PathOf(std::uint32_t file) const;

 private:
  static constexpr std::size_t kKept = 1024;  // far more than a worker has chunks of at a time

  mutable std::mutex mutex_;
  std::map<std::uint32_t, std::unique_ptr<TextFile>> files_;
};

}  // namespace sherd
