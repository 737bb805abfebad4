#include "worker/pipeline.h"

#include <algorithm>
#include <utility>

#include "worker/learning_rate.h"

namespace sherd {
namespace {

std::uint32_t MaxInFlight(const proto::Train& train) {
  return train.consistency() == proto::Train::BSP ? 1 : std::max(train.max_in_flight(), 1u);
}

// The plateau schedule's factor, times the epochs', times the clock's.
float LearningRateScale(const proto::Task& task, const proto::LearningRate& rate, std::uint64_t clock) {
  double factor = task.has_learning_rate_scale() ? task.learning_rate_scale() : 1;
  for (std::uint32_t epoch = 0; epoch < task.epoch(); ++epoch) factor *= rate.epoch_factor();
  return static_cast<float>(factor * ClockFactor(rate, clock));
}

std::string Name(const proto::Task& task) {
  return "epoch " + std::to_string(task.epoch() + 1) + ", chunk " + std::to_string(task.chunk().id());
}

}  // namespace

Pipeline::Pipeline(Options options)
    : options_(std::move(options)),
      state_(options_.notify),
      mailbox_(options_.network->Open()),
      communicator_(&state_, mailbox_.get(), options_.client, options_.layout, MaxInFlight(options_.job->train())),
      unique_keys_(options_.layout->shards),
      trainer_(options_.job, options_.layout, options_.dataset, options_.make_model),
      evaluator_(*options_.job, options_.predict) {
  Start(&Pipeline::Read);
  Start(&Pipeline::Communicate);
  Start(&Pipeline::Compute);
}

Pipeline::~Pipeline() {
  state_.Stop({});
  communicator_.Wake();
  for (std::thread& thread : threads_) thread.join();
}

void Pipeline::Start(Status (Pipeline::*stage)()) {
  threads_.emplace_back([this, stage] {
    if (Status status = (this->*stage)(); !status.ok()) state_.Stop(std::move(status));
    communicator_.Wake();
  });
}

void Pipeline::Add(const proto::Task& task) {
  if (task.kind() != proto::Task::EVALUATE) state_.report.Lease(task);
  state_.HearJobSeconds(task.job_seconds());
  state_.tasks.Push(std::make_shared<const proto::Task>(task));
}

void Pipeline::AskForCut(const proto::Command& command) {
  state_.HearJobSeconds(command.job_seconds());
  state_.AskForCut(command);
  communicator_.Wake();
}

Status Pipeline::Communicate() { return communicator_.Run(); }

Status Pipeline::Read() {
  while (std::optional<std::shared_ptr<const proto::Task>> task = state_.tasks.Pop()) {
    state_.Notify();  // there is room for another
    if (Status status = ReadTask(*task); !status.ok()) return status.Annotate("read " + Name(**task));
  }
  return {};
}

Status Pipeline::ReadTask(const std::shared_ptr<const proto::Task>& task) {
  const bool evaluation = task->kind() == proto::Task::EVALUATE;
  if (!evaluation && clock_epoch_ != task->epoch()) {
    clock_epoch_ = task->epoch();
    next_clock_ = task->start_clock();
  }
  if (task->kind() == proto::Task::END_EPOCH) {
    WorkPtr work = TakeWork(task);
    work->minibatch.ClearRows();
    work->ends_chunk = true;
    HandOn(std::move(work));
    clock_epoch_ = -1;
    return {};
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<ChunkReader> reader,
                   options_.dataset->Read(task->chunk(), task->epoch(), task->first_minibatch()));
  bool ended = false;
  while (!ended && !state_.tasks.closed()) {
    WorkPtr work = TakeWork(task);
    ASSIGN_OR_RETURN(const bool more, reader->Next(&work->minibatch));
    if (!more) work->minibatch.ClearRows();
    ended = work->ends_chunk = !more || work->minibatch.last_of_chunk;
    CountRows(work.get());
    MakeKeysUnique(work.get());
    if (!evaluation && work->has_rows()) ++next_clock_;
    HandOn(std::move(work));
  }
  return {};
}

WorkPtr Pipeline::TakeWork(const std::shared_ptr<const proto::Task>& task) {
  WorkPtr work = pool_.Take();
  work->task = task;
  work->clock = next_clock_;
  work->learning_rate_scale = LearningRateScale(*task, options_.job->train().learning_rate(), next_clock_);
  return work;
}

void Pipeline::CountRows(Work* work) {
  const ReadCounts counts = options_.dataset->counts();
  work->read_rows = counts.rows - std::exchange(rows_read_, counts.rows);
  work->bad_rows = counts.bad_rows - std::exchange(rows_bad_, counts.bad_rows);
}

void Pipeline::MakeKeysUnique(Work* work) {
  if (!work->has_rows()) return;
  work->keys.resize(work->minibatch.tables.size());
  for (std::size_t table = 0; table < work->keys.size(); ++table) {
    unique_keys_.Make(work->minibatch.tables[table].keys, &work->keys[table]);
  }
}

void Pipeline::HandOn(WorkPtr work) {
  state_.made.Push(std::move(work));
  communicator_.Wake();
}

Status Pipeline::Compute() {
  RETURN_IF_ERROR(trainer_.Prepare(options_.dataset->max_rows()));
  while (std::optional<WorkPtr> work = state_.pulled.Pop()) {
    if ((*work)->is(proto::Task::EVALUATE)) {
      RETURN_IF_ERROR(Evaluate(work->get()));
    } else if ((*work)->has_rows()) {
      RETURN_IF_ERROR(trainer_.Train(work->get()));
    }
    state_.computed.Push(std::move(*work));
    communicator_.Wake();
  }
  return {};
}

Status Pipeline::Evaluate(Work* work) {
  std::span<const float> scores;
  if (work->has_rows()) {
    ASSIGN_OR_RETURN(scores, trainer_.Predict(work));
  }
  evaluator_.Add(*work, scores);
  if (work->ends_chunk) state_.Post(evaluator_.Finish(*work, options_.dataset->counts().kinds));
  return {};
}

}  // namespace sherd
