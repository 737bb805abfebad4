#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "models/metrics/bootstrap.h"
#include "models/metrics/calibration.h"
#include "proto/checkpoint.pb.h"
#include "proto/journal.pb.h"
#include "proto/wire.pb.h"

namespace sherd {

// Where the time of a stage of the workers' pipelines went: shares that add up to 1.
struct StageReport {
  std::string name;
  std::uint32_t threads = 0;  // of a worker
  double worked = 0, waited_for_input = 0, waited_for_output = 0;
  double cpu = 0;  // share of the time that it had a core
};

// A worker or shard that is slower than the others: "worker 1", and how many times their median it takes.
struct SlowRank {
  std::string name;
  double times = 1;
};

// How training stands, a few times a second.
struct ProgressReport {
  std::uint32_t epoch = 0, epochs = 0;  // epoch counts from 1 here
  double epoch_share = 0;               // of the epoch's input, 0..1
  std::uint64_t rows = 0;               // trained in all
  double seconds = 0;                   // since training began
  double rows_per_second = 0;           // over the last seconds
  double loss = 0;                      // mean a row, before it was trained on, over the last seconds
  double auc = 0;                       // of the same rows, by histogram; NaN when unknown
  double rmse =
      std::numeric_limits<double>::quiet_NaN();  // of the same rows; NaN when unknown, and without squared error
  double mae = std::numeric_limits<double>::quiet_NaN();
  std::uint64_t staleness = 0;  // the largest lately, clocks
  double seconds_left = 0;
  std::uint64_t bad_rows = 0;
  std::uint32_t failed_checkpoints = 0;  // in a row, up to now
  std::vector<StageReport> stages;       // over the last seconds, in the order of the pipeline
  std::vector<SlowRank> slow = {};       // over the last seconds; the slowest worker and the slowest shard at most
};

// Metric names are those of the metrics file: "auc", "log_loss", "accuracy", "calibration", "rmse", "mae", "hr@10",
// "ndcg@10", "mrr", "recall@20", "precision@20", "mrr@20", "map@20", "group_auc", "gauc", "auc_error" (bound, when by
// histogram).
using Metrics = std::map<std::string, double>;

// What the rows of a file have come to in an epoch, in all runs of it.
struct FileRows {
  std::string file;
  std::uint64_t read = 0;  // with bad ones, and those that sampling leaves out
  std::uint64_t trained = 0;
  std::uint64_t bad = 0;       // and left out
  std::uint64_t repeated = 0;  // of those trained: computed a second time, after the loss of a worker
};

struct EpochReport {
  std::uint32_t epoch = 0;  // from 1
  std::uint64_t rows = 0;
  double seconds = 0;
  double loss = 0;                         // mean a row
  std::vector<proto::TableStatus> tables;  // at the epoch's end, summed over the servers
  std::vector<FileRows> files = {};
};

// Of the rows that were trained on in a period, each before it was.
struct PeriodReport {
  double begin = 0;    // Unix time
  double seconds = 0;  // that a whole period has
  std::uint64_t rows = 0;
  double loss = 0;           // mean a row
  double auc = 0;            // by histogram; NaN when unknown
  double positive_rate = 0;  // NaN when unknown
};

struct EvaluationReport {
  proto::Chunk::Set set;
  std::uint32_t epoch = 0;  // from 1; 0: not part of training
  std::uint64_t rows = 0;
  double seconds = 0;
  Metrics metrics;
  bool best = false;  // so far, by the job's metric
  // Where they are asked for, and nothing is trained:
  std::map<std::string, Interval> intervals = {};   // of the metrics
  std::vector<CalibrationBucket> calibration = {};  // ascending by prediction
};

// Of two checkpoints on the same rows.
struct ComparisonReport {
  proto::Chunk::Set set;
  std::string against;  // folder of the other one
  Metrics metrics;      // of the other one
  std::uint64_t groups = 0;
  std::map<std::string, PairedDifference> differences;
};

// A shard that was lost has gone back to what a checkpoint has of it.
struct RestoredReport {
  std::uint32_t shard = 0;
  std::string from;           // the checkpoint's folder
  std::uint64_t pushes = 0;   // that the shard had acknowledged since, and lost
  std::uint64_t updates = 0;  // of rows of tables, by these
  bool more = false;          // and those of workers that are lost too
};

struct DoneReport {
  std::uint64_t rows = 0;
  double seconds = 0;
  std::uint32_t epochs = 0;
  std::uint32_t best_epoch = 0;  // from 1; 0: none was chosen
  Metrics eval, test;            // of the final weights; empty when there is no such set
  std::string checkpoint;        // folder of the final checkpoint; empty: none
  std::uint64_t bad_rows = 0, read_rows = 0;
  std::vector<proto::BadRow> bad_kinds;
  std::vector<StageReport> stages;  // over the whole run
  proto::LostUpdates lost = {};     // by shards that were restored
};

// Whoever shows or writes down what happens. Called on the scheduler's thread; must not block.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void OnStart(std::uint32_t servers, std::uint32_t workers) {}
  virtual void OnProgress(const ProgressReport& report) {}
  virtual void OnEpochEnd(const EpochReport& report) {}
  virtual void OnPeriod(const PeriodReport& report) {}  // of a job that follows new files
  virtual void OnEvaluation(const EvaluationReport& report) {}
  virtual void OnComparison(const ComparisonReport& report) {}
  virtual void OnCheckpoint(const std::string& dir, std::uint64_t rows, double seconds) {}
  // Training goes on; `failures` in a row now.
  virtual void OnCheckpointFailed(const std::string& reason, std::uint32_t failures) {}
  virtual void OnShardRestored(const RestoredReport& report) {}
  virtual void OnBadRow(const proto::BadRow& row) {}  // the first of each kind
  virtual void OnMessage(const std::string& text) {}  // worth a line: early stop, restored epoch, abandoned cut
  virtual void OnDone(const DoneReport& report) {}
};

}  // namespace sherd
