#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proto/checkpoint.pb.h"
#include "proto/job.pb.h"
#include "ps/shard_store.h"
#include "tests/ps/shard_cluster.h"

namespace sherd {

// A wide & deep job of two tables: "embedding" in FP32, and "cross", whose rows are BF16 with candidates and the clocks
// of their last pushes.
proto::Job SmallJob();

// What its servers hold after a few clocks of pushes: the same rows for any number of them. Keys of the feature "C1"
// are those of the tokens "0" to "99"; all others are arbitrary.
std::vector<std::unique_ptr<ShardStore>> TrainedStores(std::uint32_t shards, std::uint64_t seed = 1);

// A checkpoint of these stores, as the job would have written it.
void WriteCheckpoint(const std::string& dir, const std::vector<std::unique_ptr<ShardStore>>& stores);
// Trains the stores on: some rows change, some are new, and after enough of it some are deleted for their age.
void TrainOn(const std::vector<std::unique_ptr<ShardStore>>& stores, std::uint64_t clock);
// A job's checkpoints, of which the first is full and the others are deltas.
class CheckpointChain {
 public:
  explicit CheckpointChain(std::string job_dir) : job_dir_(std::move(job_dir)) {}
  // Writes the next one; its folder.
  std::string Write(const std::vector<std::unique_ptr<ShardStore>>& stores);

 private:
  const std::string job_dir_;
  std::uint32_t checkpoints_ = 0;
  std::vector<std::vector<proto::ShardFile>> files_;  // by shard, named as seen from beside
};

// Changes a checkpoint's manifest.
void EditManifest(const std::string& dir, const std::function<void(proto::Manifest*)>& edit);

// All rows and dense blocks, with their state, as a server restores them that keeps rows as `model` says.
Contents RestoredContents(const std::string& dir, const proto::ModelSpec& model);
// The same, as floats, as the stores have them.
Contents ContentsOfAll(const std::vector<std::unique_ptr<ShardStore>>& stores);

// The files of a folder by name.
std::map<std::string, std::string> FilesIn(const std::string& dir);

}  // namespace sherd
