#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/checkpoint.pb.h"

namespace sherd {

// What a delta builds on: of each shard its last full file and the deltas since, as far as they are in checkpoints
// whose manifests have been written. Thread-compatible.
class CheckpointChain {
 public:
  // No chain gets longer than `full_every` files.
  explicit CheckpointChain(std::uint32_t full_every) : full_every_(full_every) {}

  // The cut that the next one may hold the changes since; 0: it has to be full.
  std::uint32_t since() const;
  // Are all files still there, seen from a checkpoint in `folder`? Those on servers' own disks are taken to be.
  bool Intact(const std::string& folder) const;
  // What is to be read for a checkpoint of which the shards have written these files, one a shard, in the order of
  // reading. BadData: a delta without what it builds on.
  Result<std::vector<proto::ShardFile>> FilesWith(const std::vector<proto::ShardFile>& written) const;

  // The checkpoint in `folder`, with these files, is on disk.
  void Append(std::uint32_t cut, const std::string& folder, const std::vector<proto::ShardFile>& written);
  // The next one is full: the shards hold something else now, or a file is gone.
  void Break() { cut_ = 0; }

 private:
  const std::uint32_t full_every_;
  std::uint32_t cut_ = 0;                              // of the last files; 0: there are none to build on
  std::vector<std::vector<proto::ShardFile>> shards_;  // names as seen from any other checkpoint's folder
};

}  // namespace sherd
