#include "worker/pipeline.h"

#include <pthread.h>

#include <cerrno>
#include <new>
#include <span>
#include <utility>

#include "worker/learning_rate.h"

namespace sherd {
namespace {

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
      communicator_(&state_, mailbox_.get(), options_.client, options_.layout, options_.shape.max_in_flight,
                    [this](const Work& work) { Evaluated(work); }),
      evaluator_(*options_.job, options_.predict) {
  Start("read", &Pipeline::Read);
  Start("keys", &Pipeline::MakeKeysUnique);
  Start("exchange", &Pipeline::Communicate);
  for (std::uint32_t i = 0; i < options_.shape.compute_threads; ++i) Start("compute", &Pipeline::Compute);
}

Pipeline::~Pipeline() {
  state_.Stop({});
  communicator_.Wake();
  for (std::thread& thread : threads_) thread.join();
}

void Pipeline::Start(const char* name, Stage stage) {
  StageClock* const clock = clocks_.Add(name);
  threads_.emplace_back([this, name, stage, clock] {
    pthread_setname_np(pthread_self(), name);
    clock->Start();
    if (Status status = Run(stage, name, clock); !status.ok()) state_.Stop(std::move(status));
    clock->Stop();
    communicator_.Wake();
  });
}

// Memory that the host does not give is its failure, as a disk's is, and no bug.
Status Pipeline::Run(Stage stage, const char* name, StageClock* clock) try {
  return (this->*stage)(clock);
} catch (const std::bad_alloc&) {
  return Status::Io(std::string("stage ") + name + ": allocate", ENOMEM);
}

proto::Progress Pipeline::TakeProgress() {
  proto::Progress progress = state_.report.Take();
  clocks_.Take(&progress);
  return progress;
}

void Pipeline::Add(const proto::Task& task) {
  if (task.kind() != proto::Task::EVALUATE) state_.report.Lease(task);
  state_.HearJobSeconds(task.job_seconds());
  state_.tasks.Push(std::make_shared<const proto::Task>(task));
}

void Pipeline::AskForCut(const proto::Command& command) {
  state_.HearJobSeconds(command.job_seconds());
  if (command.has_map()) state_.HearMap(command.map());
  state_.AskForCut(command);
  communicator_.Wake();
}

Status Pipeline::Read(StageClock* clock) {
  while (std::optional<std::shared_ptr<const proto::Task>> task = Pop(&state_.tasks, clock)) {
    state_.Notify();  // there is room for another
    if (Status status = ReadTask(*task, clock); !status.ok()) return status.Annotate("read " + Name(**task));
  }
  return {};
}

Status Pipeline::ReadTask(const std::shared_ptr<const proto::Task>& task, StageClock* clock) {
  const bool evaluation = task->kind() == proto::Task::EVALUATE;
  if (!evaluation && clock_epoch_ != task->epoch()) {
    clock_epoch_ = task->epoch();
    next_clock_ = task->start_clock();
  }
  if (task->kind() == proto::Task::END_EPOCH) {
    WorkPtr work = TakeWork(task);
    work->minibatch.ClearRows();
    work->ends_chunk = true;
    Push(&state_.read, std::move(work), clock);
    clock_epoch_ = -1;
    return {};
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<ChunkReader> reader,
                   options_.dataset->Read(task->chunk(), task->epoch(), task->first_minibatch()));
  bool ended = false;
  std::uint32_t next = task->first_minibatch();
  while (!ended && !state_.tasks.closed()) {
    WorkPtr work = TakeWork(task);
    ASSIGN_OR_RETURN(const bool more, reader->Next(&work->minibatch));
    if (!more) work->minibatch.ClearRows();
    if (more) next = work->minibatch.index + 1;
    work->next_minibatch = next;
    ended = work->ends_chunk = !more || work->minibatch.last_of_chunk || next == task->end_minibatch();
    CountRows(work.get());
    LeaveOutIfApplied(work.get());
    if (!evaluation && work->has_rows()) ++next_clock_;
    Push(&state_.read, std::move(work), clock);
  }
  return {};
}

void Pipeline::LeaveOutIfApplied(Work* work) const {
  for (std::uint32_t shard = 0; shard < options_.layout->shards; ++shard) {
    if (!work->has_rows() || !work->applied_by(shard)) return;
  }
  work->applied_rows = work->minibatch.examples();
  work->minibatch.ClearRows();
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

Status Pipeline::MakeKeysUnique(StageClock* clock) {
  std::vector<UniqueKeysMaker> makers;  // by table
  std::vector<Key> all_keys;
  for (std::size_t i = 0; i < options_.layout->row_floats.size(); ++i) makers.emplace_back(options_.layout->shards);
  while (std::optional<WorkPtr> next = Pop(&state_.read, clock)) {
    Work& work = **next;
    if (work.has_rows()) {
      const std::vector<TableKeys>& tables = work.minibatch.tables;
      work.keys.resize(tables.size());
      for (std::size_t i = 0; i < tables.size(); ++i) {
        if (options_.training_keys.empty() || work.is(proto::Task::EVALUATE)) {
          makers[i].Make(tables[i].keys, &work.keys[i]);
          continue;
        }
        all_keys.assign(tables[i].keys.begin(), tables[i].keys.end());
        all_keys.insert(all_keys.end(), options_.training_keys[i].begin(), options_.training_keys[i].end());
        makers[i].Make(all_keys, &work.keys[i]);
        work.keys[i].inverse.Resize(tables[i].keys.size());  // of the rows' own
      }
    }
    Push(&state_.made, std::move(*next), clock);
    communicator_.Wake();
  }
  return {};
}

Status Pipeline::Communicate(StageClock* clock) { return communicator_.Run(clock); }

Status Pipeline::Compute(StageClock* clock) {
  Trainer trainer(options_.job, options_.layout, options_.dataset, options_.make_model);
  RETURN_IF_ERROR(trainer.Prepare(options_.dataset->max_rows()));
  while (std::optional<WorkPtr> work = Pop(&state_.pulled, clock)) {
    RETURN_IF_ERROR(ComputeOn(work->get(), &trainer));
    Push(&state_.computed, std::move(*work), clock);
    communicator_.Wake();
  }
  return {};
}

Status Pipeline::ComputeOn(Work* work, Trainer* trainer) {
  if (!work->has_rows()) return {};
  return work->is(proto::Task::EVALUATE) ? trainer->Predict(work) : trainer->Train(work);
}

void Pipeline::Evaluated(const Work& work) {
  evaluator_.Add(work, work.has_rows() ? std::span<const float>(work.scores) : std::span<const float>());
  if (work.ends_chunk) state_.Post(evaluator_.Finish(work, options_.dataset->counts().kinds));
}

}  // namespace sherd
