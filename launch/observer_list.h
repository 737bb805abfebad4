#pragma once

#include <string>
#include <vector>

#include "scheduler/observer.h"

namespace sherd {

// Passes everything on to several observers, in their order. They must outlive it. Thread-compatible.
class ObserverList : public Observer {
 public:
  void Add(Observer* observer) { observers_.push_back(observer); }

  void OnStart(std::uint32_t servers, std::uint32_t workers) override {
    for (Observer* o : observers_) o->OnStart(servers, workers);
  }
  void OnProgress(const ProgressReport& report) override {
    for (Observer* o : observers_) o->OnProgress(report);
  }
  void OnEpochEnd(const EpochReport& report) override {
    for (Observer* o : observers_) o->OnEpochEnd(report);
  }
  void OnPeriod(const PeriodReport& report) override {
    for (Observer* o : observers_) o->OnPeriod(report);
  }
  void OnEvaluation(const EvaluationReport& report) override {
    for (Observer* o : observers_) o->OnEvaluation(report);
  }
  void OnComparison(const ComparisonReport& report) override {
    for (Observer* o : observers_) o->OnComparison(report);
  }
  void OnCheckpoint(const std::string& dir, std::uint64_t rows, double seconds) override {
    for (Observer* o : observers_) o->OnCheckpoint(dir, rows, seconds);
  }
  void OnCheckpointFailed(const std::string& reason, std::uint32_t failures) override {
    for (Observer* o : observers_) o->OnCheckpointFailed(reason, failures);
  }
  void OnShardRestored(const RestoredReport& report) override {
    for (Observer* o : observers_) o->OnShardRestored(report);
  }
  void OnBadRow(const proto::BadRow& row) override {
    for (Observer* o : observers_) o->OnBadRow(row);
  }
  void OnMessage(const std::string& text) override {
    for (Observer* o : observers_) o->OnMessage(text);
  }
  void OnDone(const DoneReport& report) override {
    for (Observer* o : observers_) o->OnDone(report);
  }

 private:
  std::vector<Observer*> observers_;
};

}  // namespace sherd
