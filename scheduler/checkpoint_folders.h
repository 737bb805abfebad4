#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"

namespace sherd {

// The folders in `dir` that are named like checkpoints, the newest first. A folder that is not there has none.
Result<std::vector<std::string>> CheckpointsIn(const std::string& dir);

// The newest of them that is whole (base/manifest.h): what --resume goes on from. NotFound when there is none.
Result<std::string> NewestCheckpoint(const std::string& dir);

// Which checkpoints stay.
struct KeepPolicy {
  std::uint32_t keep = 1;        // the newest, of which from 2 on one shares no file with the newest of all
  std::uint32_t keep_every = 0;  // of each so many numbers the first; 0: none
  std::string best = {};         // a folder; may be empty
};

// A folder whose checkpoint is deleted: all of it, or all but the files that others build on.
struct PrunedFolder {
  std::string folder;
  bool whole = true;
};

// The checkpoints of a job: folders checkpoint-000001, checkpoint-000002 … of one folder, the newest with the highest
// number. A number is never used twice, so that a torn attempt can not mix with a later one. Thread-compatible.
class CheckpointFolders {
 public:
  explicit CheckpointFolders(std::string dir) : dir_(std::move(dir)) {}

  const std::string& dir() const { return dir_; }
  // Makes the folder of the next checkpoint.
  Result<std::string> MakeNext();
  // What looks whole in this folder has turned out not to be: it counts no more among those that are kept.
  void Distrust(const std::string& folder);
  // Deletes the checkpoints that the policy does not keep, once the newest is on disk for good, and older folders
  // without a manifest: what torn attempts left behind. Files that kept ones build on stay, also where their own
  // checkpoint goes; so does what can not be read now. Returns the names of all folders, of whatever disk, that hold
  // files of kept ones.
  Result<std::set<std::string>> Prune(const KeepPolicy& policy);
  // What Prune would delete, the newest first.
  Result<std::vector<PrunedFolder>> WhatPruneDeletes(const KeepPolicy& policy) const;

 private:
  struct Plan;
  Result<Plan> MakePlan(const KeepPolicy& policy) const;

  const std::string dir_;
  std::uint64_t last_ = 0;
  std::set<std::string> distrusted_;  // names
};

}  // namespace sherd
