#pragma once

#include <vector>

#include "base/status.h"
#include "models/feature_layout.h"
#include "proto/job.pb.h"
#include "proto/row_file.pb.h"
#include "worker/data/schema.h"

namespace sherd {

// How the rows of a job's text files become row files: which columns these have, and the job that reads them. Numbers
// keep the name of their column; a column of keys or tokens is called as the feature that is made from it, since the
// name is part of the hash.
struct RowFilePlan {
  enum class Tokens { kHashed, kKept };

  proto::RowFileSchema schema;
  std::vector<int> sources;  // RowFileWriter::Options
  proto::Job job;            // its features, with the format of row files; which files, and the folder, are not said

  // `schema`, of the job and its layout, may have more columns than the features need. Invalid: the format has no rows
  // to convert, or names that can not be told apart.
  static Result<RowFilePlan> Make(const proto::Job& job, const FeatureLayout& layout, const Schema& schema,
                                  Tokens tokens);
};

}  // namespace sherd
