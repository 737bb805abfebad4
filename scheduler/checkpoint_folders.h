#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace sherd {

// The newest folder in `dir` that holds a valid manifest: what --resume goes on from. NotFound when there is none.
Result<std::string> NewestCheckpoint(const std::string& dir);

// The checkpoints of a job: folders checkpoint-000001, checkpoint-000002 … of one folder, the newest with the highest
// number. A number is never used twice, so that a torn attempt can not mix with a later one. Thread-compatible.
class CheckpointFolders {
 public:
  explicit CheckpointFolders(std::string dir) : dir_(std::move(dir)) {}

  const std::string& dir() const { return dir_; }
  // Makes the folder of the next checkpoint.
  Result<std::string> MakeNext();
  // Deletes the valid ones but for the `keep` newest, and folders without a manifest that are older than the newest
  // valid one: what torn attempts left behind. Never `best` (may be empty), nor one whose manifest can not be read.
  Status Prune(std::uint32_t keep, const std::string& best);

 private:
  const std::string dir_;
  std::uint64_t last_ = 0;
};

}  // namespace sherd
