#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace sherd {

// The folder that a conversion writes. Everything stands in the folder .partial within it until all is known to be
// right; then the files get their names, the job file last: a folder with a job file is whole. Thread-compatible.
class OutputFolder {
 public:
  enum class Existing { kRefused, kReplaced };

  explicit OutputFolder(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string partial() const;  // the folder for what is being written
  std::string job_file() const;

  // Makes the folders. Invalid: there are files, and they are not to be replaced; or files that no conversion made.
  Status Prepare(Existing existing);
  // Takes away what an earlier conversion has left there, but for what is partial.
  Status RemoveOld();
  // Moves a file out of the partial folder.
  Status Publish(const std::string& partial_name, const std::string& name);
  Status RemovePartial();

 private:
  Result<std::vector<std::string>> Names() const;

  const std::string path_;
};

}  // namespace sherd
