#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/job.pb.h"
#include "worker/data/byte_source.h"

namespace sherd {

struct InputFile {
  std::string path;
  std::uint64_t size = 0;  // bytes on disk
  Compression compression = Compression::kNone;
};

// The files that `patterns` of a job's data part name, in that order; `*` and `?` in the last component stand for the
// matching files, and a folder for all its files (without those whose names begin with `.` or `_`), in sorted order.
// Missing, empty and unreadable files and patterns without a match are errors that name the path.
Result<std::vector<InputFile>> FindInputFiles(const proto::Data& data,
                                              const google::protobuf::RepeatedPtrField<std::string>& patterns);

// A path of the data part, from data.data_dir on if it is relative.
std::string ResolvePath(const proto::Data& data, const std::string& path);

// A pattern of the job file, of `*` and `?` alone, as fnmatch understands it.
std::string EscapedPattern(const std::string& pattern);

// One file, no pattern.
Result<InputFile> FindInputFile(const proto::Data& data, const std::string& name);

}  // namespace sherd
