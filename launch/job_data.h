#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "launch/job_loading.h"
#include "models/feature_layout.h"
#include "scheduler/scheduler.h"
#include "worker/data/dataset.h"
#include "worker/data/interaction_dataset.h"

namespace sherd {

// The scheduler's view of a job's input: its files opened, their statistics known, and the way to cut them into chunks.
// Refers to the LoadedJob it was made from. Thread-compatible.
class JobData : public ChunkSource {
 public:
  // Opens the files; missing and empty ones are errors. Statistics come from the checkpoint that the job begins from,
  // or from one pass over the training rows if the features need any; a check has none.
  static Result<std::unique_ptr<JobData>> Open(const LoadedJob& loaded, JobRequest::Command command);

  bool Has(proto::Chunk::Set set) override { return dataset_->Has(set); }
  Result<std::vector<proto::Chunk>> Chunks(proto::Chunk::Set set, std::uint32_t epoch, std::uint32_t workers) override {
    return dataset_->Chunks(set, epoch, workers);
  }

  Result<std::vector<proto::Chunk>> NewChunks(std::uint32_t workers, proto::Followed* followed) override;
  std::string FileName(proto::Chunk::Set set, std::uint32_t file) override { return dataset_->FileName(set, file); }

  const proto::Statistics& statistics() const { return statistics_; }
  const FeatureLayout& layout() const { return *layout_; }
  Dataset* dataset() { return dataset_.get(); }
  // With job.recommend; null without.
  const InteractionDataset* recommending() const { return recommending_; }

 private:
  const proto::Data* data_ = nullptr;
  std::unique_ptr<FeatureLayout> layout_;
  std::unique_ptr<Dataset> dataset_;
  const InteractionDataset* recommending_ = nullptr;  // the same
  proto::Statistics statistics_;
};

}  // namespace sherd
