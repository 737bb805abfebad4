#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "net/mailbox.h"
#include "proto/job.pb.h"
#include "proto/wire.pb.h"
#include "worker/communicator.h"
#include "worker/data/dataset.h"
#include "worker/evaluator.h"
#include "worker/parameter_layout.h"
#include "worker/pipeline_shape.h"
#include "worker/pipeline_state.h"
#include "worker/stage_clock.h"
#include "worker/trainer.h"

namespace sherd {

// A worker's stages: read minibatches | make their keys unique | exchange with the shards | compute. Each is a thread,
// the last one as many as the shape says, each with a network of its own. Tasks go in; training progress, evaluation
// results and positions of cuts come out. Thread-compatible: its owner gives the tasks.
class Pipeline {
 public:
  struct Options {
    const proto::Job* job = nullptr;  // must outlive the pipeline, as must all that is pointed to
    Dataset* dataset = nullptr;
    Network* network = nullptr;
    const ParameterLayout* layout = nullptr;
    Trainer::MakeModel make_model;
    PsClient::Options client;
    PipelineShape shape;
    // With train.dp: of each table, all keys of the training rows. Each minibatch that is trained on takes all of them.
    std::vector<std::vector<Key>> training_keys = {};
    bool predict = false;
    std::function<void()> notify;  // there is something to take; called on any thread
  };

  explicit Pipeline(Options options);
  // Ends the stages, whatever they are at.
  ~Pipeline();

  // Would take another chunk now, so that the reader goes on to it without a pause.
  bool WantsTask() const { return state_.tasks.size() == 0; }
  // TRAIN, EVALUATE, or END_EPOCH, which retires the worker after all that came before.
  void Add(const proto::Task& task);
  // Takes what a command says of cuts, of the job's time and of the map of the shards.
  void AskForCut(const proto::Command& command);

  TrainingReport::Stand stand() const { return state_.report.stand(); }
  proto::WorkerStand TellStand() const { return state_.report.Tell(); }
  // What was done since the last call, and where each stage's time went.
  proto::Progress TakeProgress();
  // EVAL_RESULT and CUT_POSITION messages for the scheduler, in order.
  std::vector<Message> TakeMessages() { return state_.TakeMessages(); }
  // The first error of a stage: the pipeline has stopped.
  Status status() const { return state_.status(); }
  std::string Doing() const { return communicator_.Doing(); }

 private:
  // The stages.
  using Stage = Status (Pipeline::*)(StageClock* clock);
  Status Read(StageClock* clock);
  Status MakeKeysUnique(StageClock* clock);
  Status Communicate(StageClock* clock);
  Status Compute(StageClock* clock);
  // A thread of the stage with this name.
  void Start(const char* name, Stage stage);
  Status Run(Stage stage, const char* name, StageClock* clock);

  Status ReadTask(const std::shared_ptr<const proto::Task>& task, StageClock* clock);
  // Of a lost worker's chunk: a minibatch that all shards have is only counted.
  void LeaveOutIfApplied(Work* work) const;
  WorkPtr TakeWork(const std::shared_ptr<const proto::Task>& task);
  // Adds to `work` what was read since the last call.
  void CountRows(Work* work);
  Status ComputeOn(Work* work, Trainer* trainer);
  void Evaluated(const Work& work);

  const Options options_;
  PipelineState state_;
  StageClocks clocks_;
  const std::unique_ptr<Mailbox> mailbox_;
  Communicator communicator_;
  WorkPool pool_;

  // Of the reader.
  std::uint64_t next_clock_ = 0;
  std::int64_t clock_epoch_ = -1;  // that next_clock_ belongs to
  std::uint64_t rows_read_ = 0, rows_bad_ = 0;

  Evaluator evaluator_;  // of the communicator's thread

  std::vector<std::thread> threads_;
};

}  // namespace sherd
