#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "scheduler/observer.h"

namespace sherd {

// The line that shows how training stands, at most `width` columns, without an end of line:
//   epoch 2/8 [=====>              ]  27%  1,234,567 rows  45.2k rows/s  loss 0.3121  auc 0.9012  stale 2  1:05 left
std::string ProgressBar(const ProgressReport& report, int width);
// The same without the bar, for logs.
std::string ProgressLine(const ProgressReport& report);

std::string WithCommas(std::uint64_t value);      // 1,234,567
std::string ShortCount(double value);             // 45.2k, 1.3M
std::string ShortDuration(double seconds);        // 0:07, 12:05, 3:02:11
std::string MetricsText(const Metrics& metrics);  // auc 0.9172  log loss 0.2811  …

// Shows a job to a person: on a terminal one line that is drawn again and again, elsewhere plain lines whose distance
// grows from 2 s to 60 s. Thread-compatible.
class ProgressDisplay : public Observer {
 public:
  enum class Style { kTerminal, kPlain };

  // What the last line counts: "trained" "rows", "recommended" "lists".
  struct Wording {
    std::string done, counted = "rows";
  };
  ProgressDisplay(Style style, int width, Wording wording, std::FILE* out)
      : style_(style), width_(width), wording_(std::move(wording)), out_(out) {}

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
  // Takes the drawn line away, so that others can print.
  void Clear();

 private:
  void Print(const std::string& line);

  const Style style_;
  const int width_;
  const Wording wording_;
  std::FILE* const out_;
  bool drawn_ = false;
  std::vector<proto::TableStatus> tables_;  // of the last epoch
  std::chrono::steady_clock::time_point next_{};
  std::chrono::milliseconds distance_{2000};
};

// Terminal or not, and how wide: SHERD_TERMINAL and SHERD_COLUMNS where the start script has set them, because under
// mpirun every stream looks like a terminal that it is not; else by asking.
ProgressDisplay::Style DisplayStyle();
int DisplayWidth();

}  // namespace sherd
