#include "launch/job_data.h"

#include <iostream>

#include "worker/data/recorded_statistics.h"

namespace sherd {
namespace {

Result<proto::Statistics> StatisticsOf(const proto::Job& job, const FeatureLayout& layout, Dataset* dataset) {
  ASSIGN_OR_RETURN(auto recorded, FindRecordedStatistics(job, layout));
  if (!recorded) return dataset->ComputeStatistics();
  std::cout << "statistics of the training rows from " << recorded->path << std::endl;
  return std::move(recorded->statistics);
}

}  // namespace

Result<std::unique_ptr<JobData>> JobData::Open(const LoadedJob& loaded, JobRequest::Command command) {
  auto data = std::make_unique<JobData>();
  ASSIGN_OR_RETURN(FeatureLayout layout, FeatureLayout::Make(loaded.job));
  data->layout_ = std::make_unique<FeatureLayout>(std::move(layout));
  Dataset::Options options;
  options.predict = command == JobRequest::Command::kPredict;
  ASSIGN_OR_RETURN(data->dataset_, Dataset::Open(loaded.job, *data->layout_, options));
  if (!loaded.from_checkpoint.empty()) {
    data->statistics_ = loaded.manifest.statistics();
  } else if (command != JobRequest::Command::kCheck) {  // which looks at the first rows alone
    ASSIGN_OR_RETURN(data->statistics_, StatisticsOf(loaded.job, *data->layout_, data->dataset_.get()));
  }
  data->dataset_->SetStatistics(data->statistics_);
  return data;
}

}  // namespace sherd
