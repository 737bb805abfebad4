#pragma once

#include <optional>
#include <string>

#include "base/status.h"
#include "models/feature_layout.h"
#include "proto/checkpoint.pb.h"
#include "proto/job.pb.h"

namespace sherd {

// Statistics of the training rows that `sherd convert` has written beside a job's row files.
struct RecordedStatistics {
  std::string path;
  proto::Statistics statistics;
};

// Nothing: the features need none; or there are none of exactly these files, or not what the features need, and a pass
// over the rows has to tell. Errors: files that can not be read.
Result<std::optional<RecordedStatistics>> FindRecordedStatistics(const proto::Job& job, const FeatureLayout& layout);

// CRC32C of a file's last 64 KiB, by which it is known again.
Result<std::uint32_t> TailCrc(const std::string& path);

}  // namespace sherd
