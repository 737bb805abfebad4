#include "launch/job_data.h"

#include <iostream>
#include <set>

#include "worker/data/followed_files.h"
#include "worker/data/recorded_statistics.h"

namespace sherd {
namespace {

constexpr std::uint32_t kFirstNewFile = 1 << 24;  // behind all that a job file could name

Result<proto::Statistics> StatisticsOf(const proto::Job& job, const FeatureLayout& layout, Dataset* dataset) {
  ASSIGN_OR_RETURN(auto recorded, FindRecordedStatistics(job, layout));
  if (!recorded) return dataset->ComputeStatistics();
  std::cout << "statistics of the training rows from " << recorded->path << std::endl;
  return std::move(recorded->statistics);
}

}  // namespace

Result<std::unique_ptr<JobData>> JobData::Open(const LoadedJob& loaded, JobRequest::Command command) {
  auto data = std::make_unique<JobData>();
  data->data_ = &loaded.job.data();
  ASSIGN_OR_RETURN(FeatureLayout layout, FeatureLayout::Make(loaded.job));
  data->layout_ = std::make_unique<FeatureLayout>(std::move(layout));
  Dataset::Options options;
  options.predict = command == JobRequest::Command::kPredict;
  ASSIGN_OR_RETURN(data->dataset_, Dataset::Open(loaded.job, *data->layout_, options));
  // Jobs with another format are refused before this.
  if (loaded.job.has_recommend()) data->recommending_ = static_cast<InteractionDataset*>(data->dataset_.get());
  if (loaded.statistics.has_value()) {
    data->statistics_ = *loaded.statistics;
  } else if (!loaded.from_checkpoint.empty()) {
    data->statistics_ = loaded.manifest.statistics();
  } else if (command != JobRequest::Command::kCheck) {  // which looks at the first rows alone
    ASSIGN_OR_RETURN(data->statistics_, StatisticsOf(loaded.job, *data->layout_, data->dataset_.get()));
  }
  data->dataset_->SetStatistics(data->statistics_);
  return data;
}

Result<std::vector<proto::Chunk>> JobData::NewChunks(std::uint32_t workers, proto::Followed* followed) {
  ASSIGN_OR_RETURN(const FoundFiles found, FindFollowedFiles(*data_));
  const std::set<std::string> known(followed->name().begin(), followed->name().end());
  followed->clear_name();
  std::vector<proto::Chunk> chunks;
  for (const std::string& name : found.names) {
    *followed->add_name() = name;
    if (known.contains(name)) continue;
    const std::uint32_t file = kFirstNewFile + followed->files();
    followed->set_files(followed->files() + 1);
    ASSIGN_OR_RETURN(const auto more, dataset_->ChunksOfNewFile(found.folder + name, file, workers));
    chunks.insert(chunks.end(), more.begin(), more.end());
  }
  for (std::size_t i = 0; i < chunks.size(); ++i) chunks[i].set_id(i);
  return chunks;
}

}  // namespace sherd
