#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "net/memory_network.h"
#include "scheduler/scheduler.h"

namespace sherd {

inline constexpr std::uint32_t kMinibatches = 4;  // of a chunk
inline constexpr std::uint32_t kRows = 10;        // of a minibatch

// What happened, as the observer, the shards and the workers saw it. Thread-safe.
class Record {
 public:
  void Add(const std::string& what, const std::string& entry) {
    const std::lock_guard lock(mutex_);
    entries_[what].push_back(entry);
  }
  std::vector<std::string> Of(const std::string& what) const {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(what);
    return found == entries_.end() ? std::vector<std::string>() : found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> entries_;
};

// How a worker (mis)behaves.
struct WorkerScript {
  bool send_twice = false;                                 // every request
  bool garbage = false;                                    // malformed messages between the good ones
  int silent_after_tasks = -1;                             // dies with this task
  int silent_after_minibatches = -1;                       // dies with this minibatch, before it says so
  int stalls_after_tasks = -1;                             // is silent for two seconds and a half, then goes on
  int fails_after_tasks = -1;                              // reports a failure …
  std::string own_failure;                                 // … which is its own and this, where it is not empty
  int late_cuts = 0;                                       // answers so many cuts with "late"
  bool missing = false;                                    // never registers
  bool joins = false;                                      // once worker 0 trains; beyond options.workers
  int leaves_after_tasks = -1;                             // is asked to end then
  std::optional<proto::WorkerStand> stand;                 // where it says it is when it registers
  std::uint32_t bad_rows = 0;                              // of each trained minibatch
  std::function<void(std::uint64_t chunk)> before_result;  // of an evaluated chunk
};

// A job of fakes over the memory network: shards that remember which "version" (epochs trained) their weights have, and
// workers whose accuracy on the eval and test sets is `accuracy[version]` tenths. Threads run while Run does.
class FakeJob : public ChunkSource, public Observer, public PredictionSink {
 public:
  explicit FakeJob(std::uint32_t servers = 1, std::uint32_t workers = 2);
  ~FakeJob() override;

  Status Run();
  // With the scheduler, when it is bound.
  std::function<void(Scheduler* scheduler)> before_run;
  // Called on the scheduler's thread.
  std::function<void()> on_progress;
  std::function<void(const std::string& text)> on_message;
  std::function<void(const std::string& dir)> on_checkpoint;

  SchedulerOptions options;
  std::vector<WorkerScript> scripts;  // by worker
  std::uint64_t train_chunks = 6, eval_chunks = 0, test_chunks = 0;
  std::uint32_t train_files = 1;  // chunk i is of file i mod so many
  // Chunks of the files that come: one number each time that the scheduler looks.
  std::deque<std::uint64_t> coming_chunks;
  std::map<int, int> accuracy;            // tenths by version; others: 5
  std::map<std::string, int> version_of;  // a checkpoint's folder: those of this job, and what a test says
  std::atomic<int> failing_writes{0};     // so many shard files can not be written
  bool deltas = false;                    // do the shards write them, when they are asked to?
  std::set<std::string> damaged;          // folders that no shard can load

  proto::ShardStatus shard_status;  // of every shard
  // What a server says of itself from now on; may be called while the job runs.
  void Beat(std::uint32_t server, const proto::Heartbeat& beat);
  // What a shard answers to a fence: up to which minibatch it has a range of the lost worker's. Default: none of it.
  std::function<std::uint32_t(std::uint32_t shard, const proto::ChunkRange& range)> applied;

  proto::TakenOver taken;  // what every shard tells who takes over

  Record record;
  std::vector<proto::TableStatus> tables;  // at the end of the last epoch …
  std::vector<FileRows> files;             // … and the rows of its files
  std::uint32_t most_failed = 0;           // checkpoints in a row, as progress reports have it
  DoneReport done;
  Scheduler* scheduler = nullptr;  // while running
  std::vector<float> predictions;
  Status finish;  // what the end of the predictions comes to
  std::vector<EvaluationReport> evaluations;
  std::vector<ComparisonReport> comparisons;

  // ChunkSource, Observer, PredictionSink
  bool Has(proto::Chunk::Set set) override { return Count(set) > 0; }
  Result<std::vector<proto::Chunk>> Chunks(proto::Chunk::Set set, std::uint32_t epoch, std::uint32_t workers) override;
  Result<std::vector<proto::Chunk>> NewChunks(std::uint32_t workers, proto::Followed* followed) override;
  void OnProgress(const ProgressReport& report) override;
  void OnPeriod(const PeriodReport& report) override { record.Add("period", std::to_string(report.rows)); }
  void OnEpochEnd(const EpochReport& report) override;
  void OnEvaluation(const EvaluationReport& report) override;
  void OnComparison(const ComparisonReport& report) override { comparisons.push_back(report); }
  void OnCheckpoint(const std::string& dir, std::uint64_t rows, double seconds) override;
  void OnCheckpointFailed(const std::string& reason, std::uint32_t failures) override {
    OnMessage("no checkpoint: " + reason + ", " + std::to_string(failures) + " in a row");
  }
  void OnBadRow(const proto::BadRow& row) override { record.Add("bad row", row.where() + " " + row.reason()); }
  void OnMessage(const std::string& text) override {
    record.Add("message", text);
    if (on_message) on_message(text);
  }
  void OnDone(const DoneReport& report) override {
    record.Add("done", std::to_string(report.rows));
    done = report;
  }
  Status Write(std::span<const float> values) override;
  Status Finish() override;

 private:
  friend class FakeWorker;
  std::uint64_t Count(proto::Chunk::Set set) const;
  std::vector<proto::Chunk> MakeChunks(proto::Chunk::Set set, std::uint64_t count) const;
  Result<proto::ShardFile> WriteFile(std::uint32_t shard);
  Message Fenced(std::uint32_t shard, const Message& message);
  void RunShard(std::uint32_t shard, Mailbox* mailbox);
  void RunServer(std::uint32_t server);
  proto::Heartbeat BeatOf(std::uint32_t server);

  std::string own_dir_;  // the checkpoints', gone with this
  MemoryNetwork network_;
  std::string endpoint_;
  std::atomic<bool> over_{false};
  std::mutex mutex_;
  std::map<std::uint32_t, proto::Heartbeat> beats_;  // by server
  int version_ = 0;                                  // of the weights
  std::map<std::uint32_t, proto::OpenCut> cuts_;     // by shard: the one that is open …
  std::map<std::uint32_t, std::uint32_t> written_;   // … and the number of the last one that is on disk
};

}  // namespace sherd
