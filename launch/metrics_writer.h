#pragma once

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "base/status.h"
#include "launch/json_line.h"
#include "scheduler/observer.h"

namespace sherd {

// Writes what happens to a file, one JSON object a line, each on disk before the next begins. Events: start, progress
// (about one a second), epoch, evaluation, checkpoint, bad_row, message; the last is done, or failed with its reason. A
// disk that fills up is reported once and does not stop the training. Thread-compatible.
class MetricsWriter : public Observer {
 public:
  // Replaces the file, or goes on behind what another process has written there.
  enum class Begin { kAnew, kBehind };
  static Result<std::unique_ptr<MetricsWriter>> Create(const std::string& path, Begin begin = Begin::kAnew);
  // The same; of an empty path, as when nobody asks for metrics, nullptr.
  static Result<std::unique_ptr<MetricsWriter>> CreateIfNamed(const std::string& path, Begin begin = Begin::kAnew);
  ~MetricsWriter() override;

  void OnStart(std::uint32_t servers, std::uint32_t workers) override;
  void OnProgress(const ProgressReport& report) override;
  void OnEpochEnd(const EpochReport& report) override;
  void OnPeriod(const PeriodReport& report) override;
  void OnEvaluation(const EvaluationReport& report) override;
  void OnComparison(const ComparisonReport& report) override;
  void OnCheckpoint(const std::string& dir, std::uint64_t rows, double seconds) override;
  void OnCheckpointFailed(const std::string& reason, std::uint32_t failures) override;
  void OnShardRestored(const RestoredReport& report) override;
  void OnBadRow(const proto::BadRow& row) override;
  void OnMessage(const std::string& text) override;
  void OnDone(const DoneReport& report) override;
  void OnFailure(const std::string& reason);

 private:
  MetricsWriter(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}
  void Write(const JsonLine& line);

  const std::string path_;
  std::FILE* const file_;
  bool failed_ = false;
  std::chrono::steady_clock::time_point next_progress_{};
};

// "train", "eval", "test".
const char* SetName(proto::Chunk::Set set);

}  // namespace sherd
