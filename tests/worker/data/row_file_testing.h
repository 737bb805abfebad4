#pragma once

#include <string>

#include "proto/job.pb.h"
#include "proto/row_file.pb.h"
#include "worker/data/row_file_writer.h"

namespace sherd {

// A file of a job in a text format, row by row into a row file of these columns, each of which the job must read (or
// "features", of libsvm). Bad rows are left out. Fails the test when it can not be done.
void WriteRowFile(const proto::Job& job, const std::string& text_path, const std::string& path,
                  const proto::RowFileSchema& schema, RowFileWriter::Options options = {});

// The columns of the job, all that it reads: tokens kept, or as keys.
proto::RowFileSchema SchemaOf(const proto::Job& job, bool keys);

// The same job on row files: `train`, … are theirs.
proto::Job OnRowFiles(proto::Job job);

}  // namespace sherd
