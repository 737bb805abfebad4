#pragma once

#include <memory>
#include <string>

#include "base/file.h"
#include "scheduler/scheduler.h"

namespace sherd {

// Predictions as text, one line an input row: the shortest decimal that is the same float, nothing for a bad row. The
// file appears under its name when it is complete. Thread-compatible.
class PredictionFile : public PredictionSink {
 public:
  // Invalid: `path` is a folder.
  static Result<std::unique_ptr<PredictionFile>> Create(const std::string& path);
  ~PredictionFile() override;

  Status Write(std::span<const float> predictions) override;
  Status Finish() override;

 private:
  PredictionFile(std::string path, std::unique_ptr<FileWriter> writer)
      : path_(std::move(path)), writer_(std::move(writer)) {}

  const std::string path_;
  std::unique_ptr<FileWriter> writer_;
};

}  // namespace sherd
