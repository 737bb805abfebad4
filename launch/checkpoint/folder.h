#pragma once

#include <ostream>
#include <string>

#include "base/status.h"

namespace sherd {

// The checkpoint that a person means by `dir`: a checkpoint's own folder, or a job's, of which it is the newest that is
// whole; then `notes` hears which one that is, and which newer ones were passed over and why. NotFound: neither.
Result<std::string> CheckpointMeant(const std::string& dir, std::ostream& notes);

// A folder that a command fills: what it wrote goes away again unless it is kept. Thread-compatible.
class OutputFolder {
 public:
  // Makes `path`. Invalid: something stands there already.
  static Result<OutputFolder> Make(const std::string& path);
  OutputFolder(OutputFolder&& other) noexcept;
  ~OutputFolder();

  const std::string& path() const { return path_; }
  // It is complete: its names are brought to disk, and it stays.
  Status Keep();

 private:
  explicit OutputFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;  // empty: it stays
};

}  // namespace sherd
