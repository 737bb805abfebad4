#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/leadership.h"
#include "base/status.h"
#include "net/mailbox.h"
#include "proto/checkpoint.pb.h"
#include "proto/job.pb.h"
#include "proto/wire.pb.h"
#include "scheduler/observer.h"

namespace sherd {

// Cuts the input into chunks. Implemented over worker/data by launch, so that the scheduler knows no file format.
class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  virtual bool Has(proto::Chunk::Set set) = 0;
  virtual Result<std::vector<proto::Chunk>> Chunks(proto::Chunk::Set set, std::uint32_t epoch,
                                                   std::uint32_t workers) = 0;
  virtual std::string FileName(proto::Chunk::Set set, std::uint32_t file) { return "file " + std::to_string(file); }
  // Chunks of the files of data.follow that have come and are not in `followed`, in the order in which they came; they
  // are added there, and names that are gone from the folder are taken out. None: nothing is new.
  virtual Result<std::vector<proto::Chunk>> NewChunks(std::uint32_t workers, proto::Followed* followed) {
    return Status::Invalid("data.follow: this input can not be followed");
  }
};

// Takes predictions in the order of the input, one float a row; NaN stands for a bad row. Finish comes after the last
// of them, and before the job counts as done.
class PredictionSink {
 public:
  virtual ~PredictionSink() = default;
  virtual Status Write(std::span<const float> predictions) = 0;
  virtual Status Finish() = 0;
};

// Lists of some users: list i is the next lengths[i] items, by number, with their scores. With recommend.explain item k
// has the next share_counts[k] shares (proto::EvalResult, `share_count`); without, there are none.
struct RecommendedLists {
  std::span<const std::uint32_t> lengths;
  std::span<const std::uint64_t> items;
  std::span<const float> scores;
  std::span<const std::uint32_t> share_counts = {};
  std::span<const float> shares = {};
};

// Takes the lists of `sherd recommend` in the order of their users.
class RecommendationSink {
 public:
  virtual ~RecommendationSink() = default;
  virtual Status Write(const RecommendedLists& lists) = 0;
  virtual Status Finish() = 0;
};

// A checkpoint and what its manifest says.
struct StartingPoint {
  std::string dir;
  proto::Manifest manifest;
};

struct SchedulerOptions {
  enum class Mode { kTrain, kEvaluate, kPredict, kRecommend };
  Mode mode = Mode::kTrain;
  std::uint64_t job_id = 0;
  proto::Job job;  // paths resolved, flags applied
  proto::ModelSpec model;
  proto::Statistics statistics;
  std::uint32_t servers = 1, workers = 1, spares = 0;
  std::string bind_endpoint;
  std::string simd;
  // Folder of a checkpoint to begin from (resume, evaluate, predict) with its manifest; empty: from nothing.
  std::string from_checkpoint;
  proto::Manifest manifest;
  // Evaluating: folder of another checkpoint of the same model that this one is compared with; empty: none.
  std::string against;
  // Those to begin from should the shards find that one damaged, in this order.
  std::vector<StartingPoint> fallbacks;
  // Parts of another model's checkpoint that a run without from_checkpoint begins with.
  proto::LoadCheckpoint warm_start;
  // Where checkpoints go: the job's folder, or a private one that is removed at the end when the job keeps none.
  std::string checkpoint_dir;
  bool keep_checkpoints = true;
  std::string job_text;
  // From 2 on: goes on where the scheduler of the term before was, by its journal.
  std::uint32_t term = 1;
  // Told what the job has come to, before anyone is told to end. Not called where another scheduler has taken over.
  std::function<void(const Status&)> on_verdict;
};

// The one that knows how the job stands: members, chunks, clocks, evaluations, checkpoints, the end. One thread, one
// mailbox.
class Scheduler {
 public:
  Scheduler(Network* network, SchedulerOptions options, ChunkSource* chunks, Observer* observer,
            PredictionSink* predictions = nullptr, RecommendationSink* recommendations = nullptr);
  ~Scheduler();

  // Binds; the endpoint is what servers and workers are given. Before Run.
  Result<std::string> Bind();
  // So that another process can take the job over: the term that this one has, and the folder of its journal. Between
  // Bind and Run; without it none can. `leadership` must outlive this.
  void Lead(Leadership* leadership, const std::string& journal_dir);
  // Runs the job to its end. A failure's text says what happened and to whom.
  Status Run();
  // After Run: another scheduler has taken the job over, and will say what it comes to.
  bool replaced() const;
  // Ask for an orderly end with a checkpoint. Only counts, so that it never waits: async-signal-safe; called from any
  // thread.
  void RequestStop();
  // Ask for a checkpoint, after which training goes on. As safe.
  void RequestCheckpoint();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sherd
