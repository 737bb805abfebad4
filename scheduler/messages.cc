// The scheduler's event loop: what comes in, and what is done about it.
#include <glog/logging.h>

#include <utility>

#include "scheduler/scheduler_impl.h"

namespace sherd {
namespace {

constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::milliseconds kReportEvery{250};
constexpr std::chrono::seconds kHold{1};  // a request for a task, until WAIT
constexpr std::chrono::seconds kBusy{1};  // a longer time between two ticks was not spent listening
constexpr int kMessagesPerTick = 1000;

ResultKind KindOfResults(SchedulerOptions::Mode mode) {
  if (mode == SchedulerOptions::Mode::kPredict) return ResultKind::kPrediction;
  return mode == SchedulerOptions::Mode::kRecommend ? ResultKind::kRecommendation : ResultKind::kEvaluation;
}

}  // namespace

Status Scheduler::Impl::Step() {
  // What the course has just decided may be what a worker waits for.
  for (std::uint32_t worker = 0; worker < membership_.WorkerPlaces(); ++worker) AnswerWaiting(worker, Clock::now());
  std::optional<Envelope> envelope = mailbox_->Receive(Clock::now() + kTick);
  for (int i = 1; envelope; ++i) {
    Handle(std::move(*envelope));
    if (i == kMessagesPerTick) break;
    envelope = mailbox_->Receive(Clock::now());
  }
  return Tick(Clock::now());
}

Status Scheduler::Impl::Tick(Deadline now) {
  if (now - last_tick_ > kBusy) {
    membership_.Forgive(now - last_tick_);
    RETURN_IF_ERROR(CheckLeadership());  // it may have been stopped, and taken for dead
  }
  last_tick_ = now;
  if (replaced()) return CheckLeadership();
  RETURN_IF_ERROR(calls_.Tick(now));
  if (!stopping_) DriveCheckpoint(now);
  if (stopping_) return {};
  ReportProgress(now);
  ReportPeriod();
  WarnOfStandstill(now);
  RETURN_IF_ERROR(failure_);
  RETURN_IF_ERROR(RestoreLostShards(now));
  if (!welcomed_) return {};
  RETURN_IF_ERROR(TellDoneChunks(now));
  RETURN_IF_ERROR(LoseSilentServers(now));
  RETURN_IF_ERROR(AddFollowers(now));
  return LoseSilentWorkers(now);
}

void Scheduler::Impl::Handle(Envelope envelope) {
  if (envelope.message.header.reply()) return calls_.Take(std::move(envelope));
  const Status status = Dispatch(envelope);
  if (status.ok()) return;
  LOG(WARNING) << "refused " << KindName(envelope.message.header.kind()) << ": " << status.text();
  const auto code = status.code() == ErrorCode::kUnavailable ? proto::STALE : proto::INVALID;
  Reply(envelope, MakeReply(envelope.message.header, code, status.text()));
}

Status Scheduler::Impl::Dispatch(const Envelope& envelope) {
  const proto::Header& header = envelope.message.header;
  if (header.kind() == proto::REGISTER) return OnRegister(envelope);
  if (header.kind() == proto::FAILURE) return OnFailure(envelope);
  if (header.role() == proto::WORKER && departed_.contains(header.index())) return SayGoodbye(envelope);
  RETURN_IF_ERROR(membership_.Hear(header, Clock::now()));
  if (header.kind() == proto::HEARTBEAT) return OnHeartbeat(envelope);
  if (header.role() == proto::WORKER) return OfWorker(envelope);
  return Status::Invalid(KindName(header.kind()) + " is nothing that a scheduler takes from " +
                         membership_.NameOf(header.role(), header.index()));
}

Status Scheduler::Impl::OfWorker(const Envelope& envelope) {
  switch (envelope.message.header.kind()) {
    case proto::NEXT_TASK:
      return OnNextTask(envelope);
    case proto::PROGRESS:
      return OnProgress(envelope);
    case proto::EVAL_RESULT:
      return OnEvalResult(envelope);
    case proto::CUT_POSITION:
      return OnCutPosition(envelope);
    default:
      return Status::Invalid(KindName(envelope.message.header.kind()) + " is nothing that a scheduler takes");
  }
}

Status Scheduler::Impl::OnRegister(const Envelope& envelope) {
  const proto::Header& header = envelope.message.header;
  proto::Register body;
  RETURN_IF_ERROR(ParseBody(envelope.message, &body));
  const bool newcomer = welcomed_ && !membership_.HasPlace(header.role(), header.index());
  RETURN_IF_ERROR(Admit(header));
  RETURN_IF_ERROR(membership_.Register(header, body, Clock::now()));
  if (stopping_) {
    Reply(envelope, MakeReply(header, proto::FAILED, "the job has ended: " + verdict_));
    membership_.Dismiss(header);
    return {};
  }
  if (newcomer) {
    observer_->OnMessage(membership_.NameOf(header.role(), header.index()) + " has joined");
  }
  registrations_[{header.role(), header.index()}] = envelope;
  if (body.has_stand() && !welcomed_) stands_[header.index()] = body.stand();
  if (welcomed_) AddRoomOfSpares();
  if (welcomed_) Welcome();
  return {};
}

// Answers all registrations. Workers go by a map that all replicas have.
void Scheduler::Impl::Welcome() {
  proto::Welcome body;
  body.set_workers(options_.workers);
  *body.mutable_statistics() = options_.statistics;
  body.set_simd(options_.simd);
  for (const auto& [rank, envelope] : registrations_) {
    *body.mutable_map() = rank.first == proto::WORKER ? told_map_ : placement_.Map();
    Reply(envelope, MakeReply(envelope.message.header, body));
  }
  registrations_.clear();
  welcomed_ = true;
}

Status Scheduler::Impl::OnFailure(const Envelope& envelope) {
  const proto::Header& header = envelope.message.header;
  proto::Failure body;
  RETURN_IF_ERROR(ParseBody(envelope.message, &body));
  if (header.role() != proto::SERVER && header.role() != proto::WORKER && header.role() != proto::SPARE) {
    return Status::Invalid("failure of nobody who could fail");
  }
  const bool worker = header.role() == proto::WORKER;
  const bool heard = worker && own_failures_.contains(header.index());
  if (membership_.expelled(header.role(), header.index()) && !heard) {
    return Status::Unavailable(membership_.NameOf(header.role(), header.index()) + " was taken for lost");
  }
  Reply(envelope, MakeReply(header));
  if (heard) return {};
  if (worker && !body.has_exit_code() && welcomed_ && !stopping_) {
    Fail(LoseFailedWorker(header.index(), body.text()));
    return {};
  }
  membership_.Dismiss(header);
  const auto code = body.exit_code() == 2 ? ErrorCode::kInvalid : ErrorCode::kBadData;
  Fail(Status(code, membership_.NameOf(header.role(), header.index()) + ": " + body.text()));
  return {};
}

Status Scheduler::Impl::OnHeartbeat(const Envelope& envelope) {
  proto::Heartbeat body;
  RETURN_IF_ERROR(ParseBody(envelope.message, &body));
  membership_.Doing(envelope.message.header, body.doing());
  if (body.has_full()) HeedFull(envelope.message.header, body.full());
  HeedPause(envelope.message.header, body.paused());
  if (body.has_lost_follower()) HeedLostFollower(envelope.message.header, body.lost_follower());
  Reply(envelope, MakeReply(envelope.message.header, CommandFor(envelope.message.header)));
  return {};
}

// Like a user's request to stop, once: a job that trains no more does not grow, and one that stops already goes on with
// that.
void Scheduler::Impl::HeedFull(const proto::Header& header, const std::string& full) {
  if (!epoch_open_ || stopping_ || stop_requests_ > 0) return;
  full_ = membership_.NameOf(header.role(), header.index()) + ": " + full;
  observer_->OnMessage(full_);
  ++stop_requests_;
}

void Scheduler::Impl::HeedPause(const proto::Header& header, const std::string& why) {
  if (header.role() != proto::SERVER) return;
  const bool paused = !why.empty();
  if (paused == paused_.contains(header.index())) return;
  paused ? (void)paused_.insert(header.index()) : (void)paused_.erase(header.index());
  const std::string text = membership_.NameOf(header.role(), header.index()) + ": pushes ";
  observer_->OnMessage(text + (paused ? "wait: " + why : "go on"));
}

proto::Command Scheduler::Impl::CommandFor(const proto::Header& header) {
  proto::Command command;
  if (header.role() == proto::WORKER) coordinator_.Tell(header.index(), &command);
  command.set_stop(stopping_);
  command.set_job_seconds(JobSeconds());
  if (welcomed_ && header.role() == proto::WORKER && header.map_epoch() < told_map_.epoch()) {
    *command.mutable_map() = told_map_;
  }
  if (stopping_) membership_.Dismiss(header);
  return command;
}

Status Scheduler::Impl::OnNextTask(const Envelope& envelope) {
  const std::uint32_t worker = envelope.message.header.index();
  proto::NextTask body;
  RETURN_IF_ERROR(ParseBody(envelope.message, &body));
  clocks_.Report(worker, body.clock());
  std::optional<Envelope> again;
  const Deadline now = Clock::now();
  if (desk_.Take(worker, {envelope, body, now}, &again)) AnswerWaiting(worker, now);
  if (again) Send(std::move(*again));
  return {};
}

void Scheduler::Impl::AnswerWaiting(std::uint32_t worker, Deadline now) {
  const TaskDesk::Request* const request = desk_.waiting(worker);
  if (request == nullptr) return;
  std::optional<proto::Task> task = TaskFor(worker, request->body);
  if (!task && now - request->since < kHold) return;
  if (!task) task.emplace().set_kind(proto::Task::WAIT);
  if (task->kind() != proto::Task::WAIT) last_moved_ = now;
  if (task->kind() == proto::Task::STOP) membership_.Dismiss(request->envelope.message.header);
  Send(desk_.Answer(worker, *task));
  if (task->kind() == proto::Task::STOP && !stopping_) Fail(Leave(worker));
}

// What the worker is to do now; nothing: wait.
std::optional<proto::Task> Scheduler::Impl::TaskFor(std::uint32_t worker, const proto::NextTask& body) {
  proto::Task task;
  task.set_epoch(epoch_);
  if (stopping_) {
    task.set_kind(proto::Task::STOP);
    return task;
  }
  if (body.leaving() && MayLeave(worker)) return LeavingTask(worker, body);
  if (!evaluation_) return TrainingTask(worker, body);
  const std::optional<proto::Chunk> chunk = evaluation_->Next(worker);
  if (!chunk) return std::nullopt;
  task.set_kind(proto::Task::EVALUATE);
  *task.mutable_chunk() = *chunk;
  task.set_evaluation(evaluation_->number());
  return task;
}

std::optional<proto::Task> Scheduler::Impl::TrainingTask(std::uint32_t worker, const proto::NextTask& body) {
  if (!epoch_open_ || clocks_.retired(worker)) return std::nullopt;
  if (ended_[worker]) {
    if (body.retired()) Retire(worker);
    return std::nullopt;
  }
  proto::Task task;
  task.set_epoch(epoch_);
  task.set_round(round_);
  task.set_start_clock(clock_);
  task.set_job_seconds(JobSeconds());
  task.set_learning_rate_scale(static_cast<float>(judge_.learning_rate_scale()));
  const std::optional<proto::Task> next = newcomers_.empty() ? queue_->Next(worker) : std::nullopt;
  ended_[worker] = !next;
  task.set_kind(next ? proto::Task::TRAIN : proto::Task::END_EPOCH);
  if (next) task.MergeFrom(*next);
  return task;
}

void Scheduler::Impl::Retire(std::uint32_t worker) {
  clocks_.Retire(worker);
  queue_->Finish(worker);
  coordinator_.Retired(worker);
}

Status Scheduler::Impl::OnProgress(const Envelope& envelope) {
  const proto::Header& header = envelope.message.header;
  const std::uint32_t worker = header.index();
  proto::Progress body;
  RETURN_IF_ERROR(ParseBody(envelope.message, &body));
  if (progress_log_[worker].Enter(header.request())) {
    RETURN_IF_ERROR(meter_.Add(worker, body, Clock::now()));
    stages_.Add(body.stage());
    reported_rows_ += body.rows();
    epoch_loss_ += body.loss_sum();
    if (following_) periods_.Add(body, std::chrono::system_clock::now());
    clocks_.Report(worker, body.clock());
    if (body.rows() > 0) last_moved_ = Clock::now();
    const bool of_this_epoch = queue_ && (!header.has_epoch() || header.epoch() == epoch_);
    for (const proto::ChunkPosition& position : body.position()) {
      if (!of_this_epoch) break;  // a late one of the epoch before
      const Status status = queue_->Advance(worker, position);
      LOG_IF(WARNING, !status.ok()) << "progress: " << status.text();
    }
    if (of_this_epoch) rows_ = rows_before_ + queue_->counts().trained;
    CountRows(worker, body.read_rows(), body.bad_rows(), body.bad_row());
    for (const proto::Restarted& restarted : body.restarted()) OnRestarted(worker, restarted);
  }
  Reply(envelope, MakeReply(header, CommandFor(header)));
  return {};
}

void Scheduler::Impl::CountRows(std::uint32_t worker, std::uint64_t read, std::uint64_t bad,
                                const google::protobuf::RepeatedPtrField<proto::BadRow>& kinds) {
  for (const proto::BadRow& row : bad_rows_.Add(worker, read, bad, kinds)) observer_->OnBadRow(row);
  // Predictions have a line for every row, so a bad one is seen where it matters.
  if (options_.mode != SchedulerOptions::Mode::kPredict) Fail(bad_rows_.Check(BadRows::Moment::kRunning));
}

Status Scheduler::Impl::OnEvalResult(const Envelope& envelope) {
  const proto::Header& header = envelope.message.header;
  ASSIGN_OR_RETURN(ChunkResult result, ParseChunkResult(envelope.message, KindOfResults(options_.mode)));
  if (evaluation_) RETURN_IF_ERROR(evaluation_->Take(std::move(result)));
  Reply(envelope, MakeReply(header));
  while (evaluation_ && failure_.ok()) {
    const std::optional<ChunkResult> next = evaluation_->Pop();
    if (!next) break;
    last_moved_ = Clock::now();
    Fail(Consume(*next));
  }
  return {};
}

Status Scheduler::Impl::Consume(const ChunkResult& result) {
  const proto::EvalResult& body = result.body;
  CountRows(result.worker, body.rows(), body.bad_rows(), body.bad_row());
  if (options_.mode == SchedulerOptions::Mode::kRecommend) return TakeLists(result);
  const auto scores = result.scores.As<float>();
  if (options_.mode != SchedulerOptions::Mode::kPredict) {
    quality_->Add(scores, result.labels.As<float>(), result.weights.As<float>(), result.groups.As<std::uint64_t>());
    KeepRows(scores, result.labels.As<float>(), result.weights.As<float>(), result.groups.As<std::uint64_t>());
    quality_->Add({body.lists(), body.hit_sum(), body.ndcg_sum(), body.reciprocal_rank_sum()});
    quality_->AddFullRanking(body);
    return {};
  }
  std::vector<float> predictions(scores.begin(), scores.end());
  if (options_.job.model().loss() == proto::Model::LOG_LOSS) {
    for (float& p : predictions) p = static_cast<float>(Sigmoid(p));
  }
  predicted_rows_ += predictions.size();
  return predictions_->Write(predictions).Annotate("write predictions");
}

Status Scheduler::Impl::OnCutPosition(const Envelope& envelope) {
  const proto::Header& header = envelope.message.header;
  proto::CutPosition body;
  RETURN_IF_ERROR(ParseBody(envelope.message, &body));
  clocks_.Report(header.index(), body.clock());
  if (body.late()) {
    coordinator_.Late(body.cut(), membership_.NameOf(header.role(), header.index()));
  } else if (queue_) {
    coordinator_.Marked(body.cut(), header.index(), body.clock(), queue_->PartOfCut(header.index(), body));
  }
  Reply(envelope, MakeReply(header));
  return {};
}

void Scheduler::Impl::ReportProgress(Deadline now) {
  if (!epoch_open_ || now - last_report_ < kReportEvery) return;
  last_report_ = now;
  ProgressReport report;
  meter_.Report(now, &report);
  report.epoch = epoch_ + 1;
  report.epochs = following_ ? report.epoch : options_.job.train().epochs();
  report.epoch_share = queue_->share();
  report.rows = rows_;
  report.seconds = SecondsSoFar();
  report.bad_rows = bad_rows_.bad();
  report.failed_checkpoints = schedule_.failures();
  const double done = ShareOfJob() - share_at_start_;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  if (done > 0) report.seconds_left = elapsed / done * (report.epochs - ShareOfJob());
  observer_->OnProgress(report);
}

// Nothing is lost yet: the ranks are alive, and their own requests have deadlines. But someone may be waiting to know.
void Scheduler::Impl::WarnOfStandstill(Deadline now) {
  if ((!epoch_open_ && !evaluation_) || now - last_moved_ < request_timeout_) return;
  last_moved_ = now;
  observer_->OnMessage("no rows were finished lately; " + membership_.WhatAllDo());
}

// The first failure is the job's.
void Scheduler::Impl::Fail(Status status) {
  if (failure_.ok()) failure_ = std::move(status);
}

void Scheduler::Impl::Send(Envelope envelope) {
  proto::Header& header = envelope.message.header;
  header.set_role(proto::SCHEDULER);
  header.set_index(0);
  header.set_incarnation(options_.term);
  header.set_job(options_.job_id);
  header.set_map_epoch(placement_.epoch());
  const std::string kind = KindName(header.kind());
  // Who is gone will be found out by its silence, and who is not will ask again.
  const Status status = mailbox_->Send(envelope.from, std::move(envelope.message));
  LOG_IF(WARNING, !status.ok()) << "answer " << kind << ": " << status.text();
}

}  // namespace sherd
