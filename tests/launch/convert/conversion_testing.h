#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "launch/job_request.h"
#include "proto/checkpoint.pb.h"
#include "proto/job.pb.h"
#include "tests/worker/data/data_testing.h"

namespace sherd {

// A folder with a job over delimited text, for conversions.
class ConversionFolder {
 public:
  // Lines of 12 columns of the job's kinds: row i has `when` i.
  static std::string Rows(int begin, int end);

  // `data` is the inside of the job's data part: its files and fractions.
  explicit ConversionFolder(const std::string& data);

  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }
  void Write(const std::string& name, const std::string& bytes) const { folder_.Write(name, bytes); }
  // Converts the job to the folder `out` on ranks of one process, each with so many threads.
  Status Convert(const std::string& out, const ConvertRequest& flags = {}, std::uint32_t threads = 1,
                 std::uint32_t ranks = 1);
  // What the last conversion said.
  const std::string& said() const { return said_; }
  // The job of the text, or the one in the folder `out`.
  proto::Job Job(const std::string& out = "") const;

 private:
  TemporaryFolder folder_;
  std::string said_;
};

// A folder's files, also those below it, by name.
std::map<std::string, std::string> FilesIn(const std::string& path);

// The rows of a set, without their ids, as texts in ascending order.
std::vector<std::string> RowTexts(const proto::Job& job, proto::Chunk::Set set);

}  // namespace sherd
