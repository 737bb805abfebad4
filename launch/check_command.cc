#include "launch/check_command.h"

#include <iostream>

#include "launch/job_data.h"
#include "launch/job_loading.h"
#include "launch/metrics_writer.h"
#include "launch/progress_display.h"

namespace sherd {
namespace {

constexpr std::uint32_t kRows = 1000;

void DescribeModelPart(const proto::Job& job, const proto::ModelSpec& model, const FeatureLayout& layout) {
  std::cout << "model     " << job.model().name() << ", " << layout.features.size() << " features\n";
  for (std::size_t i = 0; i < layout.tables.size(); ++i) {
    std::uint32_t floats = 0;
    for (const proto::SegmentSpec& segment : model.table(static_cast<int>(i)).segment()) floats += segment.dim();
    std::cout << "table     " << layout.tables[i].name << ": " << layout.tables[i].features.size()
              << " fields, rows of " << floats << " floats\n";
  }
  std::uint64_t parameters = 0;
  for (const proto::TensorSpec& tensor : model.tensor()) parameters += std::uint64_t{tensor.rows()} * tensor.cols();
  std::cout << "dense     " << WithCommas(parameters) << " parameters in " << model.tensor_size() << " tensors\n";
}

void DescribeData(const proto::Job& job, JobData* data) {
  std::cout << "data      " << job.data().data_dir() << ":";
  for (const auto set : {proto::Chunk::TRAIN, proto::Chunk::EVAL, proto::Chunk::TEST}) {
    if (data->Has(set)) std::cout << ' ' << SetName(set);
  }
  std::cout << '\n';
}

}  // namespace

Status CheckJob(const JobRequest& request) {
  ASSIGN_OR_RETURN(const LoadedJob loaded, LoadJob(request, 0));
  ASSIGN_OR_RETURN(const FeatureLayout layout, FeatureLayout::Make(loaded.job));
  ASSIGN_OR_RETURN(const auto data, JobData::Open(loaded, request.command));
  RETURN_IF_ERROR(data->dataset()->CheckFirstRows(kRows));
  const ReadCounts counts = data->dataset()->counts();
  DescribeModelPart(loaded.job, loaded.model, layout);
  DescribeData(loaded.job, data.get());
  for (const proto::BadRow& kind : counts.kinds) {
    std::cout << "bad rows  " << kind.count() << " x " << kind.reason() << ", first at " << kind.where() << '\n';
  }
  std::cout << request.job_file << " is fine" << std::endl;
  return {};
}

}  // namespace sherd
