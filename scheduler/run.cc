// The course of a job, from the first registration to the last goodbye.
#include <glog/logging.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <utility>

#include "base/file.h"
#include "scheduler/scheduler_impl.h"
#include "scheduler/table_sums.h"

namespace sherd {
namespace {

using Mode = SchedulerOptions::Mode;

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

MembershipOptions MembersOf(const SchedulerOptions& options) {
  const proto::Cluster& cluster = options.job.cluster();
  return {.servers = options.servers,
          .workers = options.workers,
          .spares = options.spares,
          .shards_per_server = cluster.shards_per_server(),
          .replicas = cluster.replicas(),
          .heartbeat_timeout = Milliseconds(cluster.heartbeat_timeout())};
}

// Behind what a server whose tables have outgrown its memory says, which ends with what to do.
constexpr char kThenResume[] = "; then go on by --resume";

const char* SetName(proto::Chunk::Set set) {
  return set == proto::Chunk::TRAIN ? "training" : set == proto::Chunk::EVAL ? "eval" : "test";
}

}  // namespace

Scheduler::Impl::Impl(Network* network, SchedulerOptions options, ChunkSource* chunks, Observer* observer,
                      PredictionSink* predictions, RecommendationSink* recommendations)
    : options_(std::move(options)),
      chunks_(chunks),
      observer_(observer),
      predictions_(predictions),
      recommendations_(recommendations),
      request_timeout_(Seconds(options_.job.cluster().request_timeout())),
      mailbox_(network->Open()),
      calls_(mailbox_.get(), options_.job_id, options_.term,
             std::clamp(Milliseconds(options_.job.cluster().request_timeout() / 12), std::chrono::milliseconds(50),
                        std::chrono::milliseconds(5000))),
      membership_(MembersOf(options_)),
      desk_(options_.workers),
      clocks_(options_.workers),
      progress_log_(options_.workers),
      ended_(options_.workers),
      bad_rows_(options_.job.data().max_bad_fraction()),
      judge_(options_.job, {}),
      periods_(std::chrono::duration<double, std::ratio<60>>(options_.job.data().follow().report_minutes())),
      start_at_{.dir = options_.from_checkpoint, .manifest = options_.manifest},
      folders_(options_.checkpoint_dir),
      full_every_(keeps_checkpoints() ? options_.job.checkpoint().full_every() : 1),
      chain_(full_every_),
      schedule_(options_.job.checkpoint()) {}

Result<std::string> Scheduler::Impl::Bind() {
  RETURN_IF_ERROR(mailbox_->Bind(options_.bind_endpoint));
  return mailbox_->endpoint();
}

Status Scheduler::Impl::Run() {
  Status status = RunJob();
  const bool asked_to_stop = !status.ok() && status.code() == ErrorCode::kStopped && stop_requests_ > stops_heeded_;
  if (asked_to_stop) status = StopOrderly();
  if (const Status leads = CheckLeadership(); replaced()) return leads;
  JournalVerdict(status);
  if (options_.on_verdict) options_.on_verdict(status);
  ShutDown(status);
  RemoveCopies();
  if (!options_.keep_checkpoints && !options_.checkpoint_dir.empty()) {
    const Status removed = RemoveTree(options_.checkpoint_dir);
    LOG_IF(WARNING, !removed.ok()) << removed.text();
  }
  return status;
}

Status Scheduler::Impl::RunJob() {
  if (options_.term > 1) RETURN_IF_ERROR(TakeOver());
  if (concluded_.has_value()) return *concluded_;
  if (taken_over_) return Train();
  RETURN_IF_ERROR(JournalNothing());
  RETURN_IF_ERROR(Assemble());
  observer_->OnStart(options_.servers, options_.workers);
  start_ = Clock::now();
  RETURN_IF_ERROR(LoadStart());
  switch (options_.mode) {
    case Mode::kTrain:
      return Train();
    case Mode::kEvaluate:
      return EvaluateOnly();
    case Mode::kPredict:
      return Predict();
    case Mode::kRecommend:
      return Recommend();
  }
  return {};
}

Status Scheduler::Impl::Assemble() {
  const Deadline deadline = Clock::now() + request_timeout_;
  RETURN_IF_ERROR(Until([&] { return membership_.complete() || Clock::now() >= deadline; }));
  if (!membership_.complete()) {
    return Status::Unavailable("not registered within " +
                               std::to_string(static_cast<int>(options_.job.cluster().request_timeout())) +
                               " s: " + membership_.Missing());
  }
  placement_.Start(membership_.Registered(proto::SERVER), options_.job.cluster().replicas());
  AddRoomOfSpares();
  told_map_ = placement_.Map();
  Welcome();
  return calls_.TakeMap(told_map_).Annotate("connect to the shards");
}

Status Scheduler::Impl::CallAllShards(proto::Kind kind, const google::protobuf::MessageLite* body,
                                      Clock::duration timeout, std::vector<Message>* by_shard) {
  // Kept by the answers too, should this function have given up on them.
  struct Answers {
    std::uint32_t missing;
    Status error;
    std::vector<Message> by_shard;
  };
  const auto answers = std::make_shared<Answers>(Answers{calls_.shards(), {}, std::vector<Message>(calls_.shards())});
  for (std::uint32_t shard = 0; shard < calls_.shards(); ++shard) {
    Message message;
    message.header.set_kind(kind);
    if (body != nullptr) message = MakeControl(kind, *body);
    calls_.Send(shard, std::move(message), KindName(kind) + " at " + placement_.NameOfShard(shard), timeout,
                [answers, shard](Result<Message> answer) {
                  --answers->missing;
                  if (answers->error.ok()) answers->error = answer.status();
                  if (answer.ok()) answers->by_shard[shard] = std::move(answer).value();
                });
  }
  while (answers->missing > 0 && answers->error.ok()) {
    RETURN_IF_ERROR(Step());
    if (stop_requests_ > 1) return Status::Stopped("stopped at once on a second request");
  }
  if (by_shard != nullptr) *by_shard = std::move(answers->by_shard);
  return answers->error;
}

// ---- training ------------------------------------------------------------------------------------------------------

Status Scheduler::Impl::Train() {
  if (!taken_over_) {
    GoOnFrom(start_at_.manifest.state());
    RETURN_IF_ERROR(JournalRound(nullptr));
  }
  schedule_.Start(rows_, Clock::now());
  training_ = true;
  share_at_start_ = ShareOfJob();
  const bool followed = followed_.files() > 0;  // in a run before: the training files are done with
  while (!followed && epoch_ < PlannedEpochs() && !stop_early_) RETURN_IF_ERROR(TrainEpoch());
  RETURN_IF_ERROR(Follow());
  return FinishTraining();
}

Status Scheduler::Impl::TrainEpoch() {
  if (!std::exchange(epoch_taken_over_, false)) RETURN_IF_ERROR(BeginEpoch());
  RETURN_IF_ERROR(Until([this] { return RoundOver(); }));
  while (!queue_->all_done()) {
    RETURN_IF_ERROR(BeginRound());
    RETURN_IF_ERROR(Until([this] { return RoundOver(); }));
  }
  last_report_ = {};
  ReportProgress(Clock::now());
  epoch_open_ = false;
  started_.reset();
  clock_ = clocks_.greatest();
  RETURN_IF_ERROR(Until([this] { return CutTaken(); }));
  RETURN_IF_ERROR(bad_rows_.Check(BadRows::Moment::kEnd));
  const double seconds = std::chrono::duration<double>(Clock::now() - epoch_start_).count();
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  const double loss = reported_rows_ > 0 ? epoch_loss_ / static_cast<double>(reported_rows_) : kUnknown;
  EpochReport report{.epoch = epoch_ + 1,
                     .rows = queue_->counts().trained - rows_resumed_,
                     .seconds = seconds,
                     .loss = loss,
                     .tables = {},
                     .files = RowsByFile()};
  ASSIGN_OR_RETURN(report.tables, DescribeTables());
  observer_->OnEpochEnd(report);
  return following_ ? EndIntake() : JudgeEpoch();
}

Result<std::vector<proto::TableStatus>> Scheduler::Impl::DescribeTables() {
  std::vector<Message> answers;
  RETURN_IF_ERROR(CallAllShards(proto::SHARD_STATUS, nullptr, request_timeout_, &answers));
  std::vector<proto::TableStatus> tables;
  for (std::size_t shard = 0; shard < answers.size(); ++shard) {
    proto::ShardStatus status;
    RETURN_IF_ERROR(ParseBody(answers[shard], &status).Annotate("status of shard " + std::to_string(shard)));
    AddTables(status, &tables);
  }
  return tables;
}

Status Scheduler::Impl::BeginEpoch() {
  ASSIGN_OR_RETURN(const auto positions, ChunksOfEpoch());
  const auto dealing = options_.job.train().consistency() == proto::Train::BSP ? ChunkQueue::Dealing::kRoundRobin
                                                                               : ChunkQueue::Dealing::kOnDemand;
  const ChunkQueue::Options options{
      .dealing = dealing, .workers = membership_.LiveWorkers(), .batch_size = options_.job.train().batch_size()};
  ASSIGN_OR_RETURN(queue_, ChunkQueue::Make(positions, options));
  PreferLocalFiles();
  rows_resumed_ = queue_->counts().trained;
  rows_before_ = rows_ - std::min(rows_, rows_resumed_);
  round_ = 0;
  reported_rows_ = 0;
  epoch_loss_ = 0;
  RETURN_IF_ERROR(StartShards());
  meter_.Start(epoch_start_);
  epoch_open_ = true;
  return {};
}

Status Scheduler::Impl::StartShards() {
  proto::StartEpoch body;
  body.set_epoch(epoch_);
  body.set_clock(clock_);
  body.set_round(round_);
  newcomers_.clear();
  for (const std::uint32_t worker : membership_.LiveWorkers()) body.add_worker(worker);
  RETURN_IF_ERROR(JournalRound(&body));
  RETURN_IF_ERROR(CallAllShards(proto::START_EPOCH, &body, request_timeout_));
  started_ = body;
  ended_.assign(ended_.size(), false);
  last_moved_ = Clock::now();
  if (round_ == 0) epoch_start_ = last_moved_;
  clocks_.StartEpoch(clock_, last_moved_);
  RetireAbsent();
  return {};
}

Result<std::vector<proto::ChunkPosition>> Scheduler::Impl::ChunksOfEpoch() {
  if (!resumed_.empty()) return std::exchange(resumed_, {});
  ASSIGN_OR_RETURN(const auto chunks, chunks_->Chunks(proto::Chunk::TRAIN, epoch_, options_.workers));
  if (chunks.empty()) return Status::BadData("the training files have no rows");
  std::vector<proto::ChunkPosition> positions(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) *positions[i].mutable_chunk() = chunks[i];
  return positions;
}

// Evaluates the weights at an epoch's end and draws the consequences.
Status Scheduler::Impl::JudgeEpoch() {
  const std::uint32_t epoch = epoch_ + 1;
  const bool has_eval = chunks_->Has(proto::Chunk::EVAL);
  const bool tests = options_.job.evaluation().test_each_epoch() && chunks_->Has(proto::Chunk::TEST);
  std::vector<EvaluationReport> reports;
  for (const auto set : {proto::Chunk::EVAL, proto::Chunk::TEST}) {
    if (set == proto::Chunk::EVAL ? !has_eval : !tests) continue;
    ASSIGN_OR_RETURN(EvaluationReport report, Evaluate(set, epoch));
    reports.push_back(std::move(report));
  }
  // A checkpoint that was asked for meanwhile has the epoch unjudged.
  RETURN_IF_ERROR(Until([this] { return CutTaken(); }));
  Verdict verdict;
  for (EvaluationReport& report : reports) {
    if (report.set == proto::Chunk::EVAL) eval_metrics_[epoch] = report.metrics;
    if (report.set == proto::Chunk::EVAL || !has_eval) {
      verdict = judge_.Judge(epoch, report.metrics);
      report.best = verdict.best;
    }
    observer_->OnEvaluation(report);
  }
  weights_epoch_ = ++epoch_;
  queue_.reset();
  if (verdict.slower) {
    observer_->OnMessage("no gain: from now on the learning rate is " + std::to_string(judge_.learning_rate_scale()) +
                         " of its full value");
  }
  stop_early_ = verdict.stop;
  if (stop_early_ && epoch_ < options_.job.train().epochs()) {
    observer_->OnMessage("stopped early: no gain in " + std::to_string(options_.job.evaluation().patience()) +
                         " epochs");
  }
  if (verdict.best) RETURN_IF_ERROR(SaveBest());
  return JournalRound(nullptr);
}

// The best weights so far are needed again when a later epoch may be the last.
Status Scheduler::Impl::SaveBest() {
  RETURN_IF_ERROR(
      Until([this] { return coordinator_.idle() && CutMayBegin(); }));  // one under way may be of the best before
  best_dir_.clear();
  const bool later = epoch_ < options_.job.train().epochs();
  if (!later || !options_.job.evaluation().restore_best() || options_.checkpoint_dir.empty()) return {};
  BeginCheckpoint(Purpose::kBest);
  return Until([this] { return CutTaken(); });
}

Status Scheduler::Impl::FinishTraining() {
  if (!following_) RETURN_IF_ERROR(RestoreBest());
  if (const auto report = periods_.Rest()) observer_->OnPeriod(*report);
  DoneReport done;
  done.seconds = SecondsSoFar();
  if (chunks_->Has(proto::Chunk::EVAL) && !eval_metrics_.contains(weights_epoch_)) {
    ASSIGN_OR_RETURN(const EvaluationReport report, Evaluate(proto::Chunk::EVAL, weights_epoch_));
    observer_->OnEvaluation(report);
    eval_metrics_[weights_epoch_] = report.metrics;
  }
  done.eval = eval_metrics_[weights_epoch_];
  if (chunks_->Has(proto::Chunk::TEST)) {
    ASSIGN_OR_RETURN(const EvaluationReport report, Evaluate(proto::Chunk::TEST, 0));
    observer_->OnEvaluation(report);
    done.test = report.metrics;
  }
  if (keeps_checkpoints()) {
    auto saved = CheckpointAndWait(Purpose::kFinal);
    if (!saved.ok()) return saved.status().Annotate("the final checkpoint");
    done.checkpoint = *saved;
  }
  RETURN_IF_ERROR(Until([this] { return placement_.gone().empty() && counting_.empty(); }));
  done.lost = lost_updates_;
  done.rows = rows_;
  done.epochs = epoch_;
  done.best_epoch = judge_.best_epoch();
  Done(std::move(done));
  return {};
}

// ---- evaluation ----------------------------------------------------------------------------------------------------

Status Scheduler::Impl::Await(std::vector<proto::Chunk> chunks) {
  constexpr std::uint32_t kWindow = 8;  // chunks a worker
  last_moved_ = Clock::now();
  evaluation_.emplace(++evaluations_, std::move(chunks), kWindow * options_.workers);
  RETURN_IF_ERROR(Until([this] { return evaluation_->done(); }));
  evaluation_.reset();
  return {};
}

Result<EvaluationReport> Scheduler::Impl::Evaluate(proto::Chunk::Set set, std::uint32_t epoch) {
  const proto::Job& job = options_.job;
  const Deadline start = Clock::now();
  ASSIGN_OR_RETURN(auto chunks, chunks_->Chunks(set, epoch_, options_.workers));
  quality_.emplace(QualityOptions{.loss = job.model().loss(),
                                  .exact_auc_rows = job.evaluation().exact_auc_rows(),
                                  .at = job.evaluation().at(),
                                  .full_ranking_at = FullRankingQuality::PlacesOf(job.evaluation())});
  kept_rows_.reset();
  if (KeepsRows()) kept_rows_.emplace(job.model().loss());
  RETURN_IF_ERROR(Await(std::move(chunks)));
  const std::string name = SetName(set);
  EvaluationReport report{.set = set,
                          .epoch = epoch,
                          .rows = std::max({quality_->rows(), quality_->lists(), quality_->users()}),
                          .seconds = 0,
                          .metrics = {}};
  if (options_.mode == Mode::kPredict || options_.mode == Mode::kRecommend) return report;
  RETURN_IF_ERROR(bad_rows_.Check(BadRows::Moment::kEnd));
  if (quality_->not_finite() > 0) {
    return Status::BadData(std::to_string(quality_->not_finite()) + " predictions of the " + name +
                           " set are not numbers: the weights have diverged; lower the learning rate");
  }
  report.metrics = quality_->Figures();
  TellUncertainty(&report);
  report.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  quality_.reset();
  if (report.metrics.empty()) return Status::BadData("the " + name + " set has no rows to evaluate");
  return report;
}

Status Scheduler::Impl::Predict() {
  CHECK_NOTNULL(predictions_);
  if (!chunks_->Has(proto::Chunk::TEST)) return Status::Invalid("the job has no test data to predict");
  RETURN_IF_ERROR(Evaluate(proto::Chunk::TEST, 0).status());
  RETURN_IF_ERROR(predictions_->Finish().Annotate("write predictions"));
  DoneReport done;
  done.rows = predicted_rows_;
  done.seconds = SecondsSoFar();
  Done(std::move(done));
  return {};
}

// ---- the end -------------------------------------------------------------------------------------------------------

void Scheduler::Impl::Done(DoneReport report) {
  report.bad_rows = bad_rows_.bad();
  report.read_rows = bad_rows_.read();
  report.bad_kinds = bad_rows_.kinds();
  report.stages = stages_.Report();
  observer_->OnDone(report);
}

// The user asked for an end, or a server has no memory left: with a checkpoint, where one is kept. A second request
// ends it at once.
Status Scheduler::Impl::StopOrderly() {
  stops_heeded_ = 1;
  if (!training_) return Status::Stopped("stopped on request");
  const std::string why = full_.empty() ? "stopped on request" : full_ + kThenResume + "\nstopped";
  const auto stopped = [&](std::uint64_t rows, const std::string& checkpoint) {
    const std::uint32_t epoch = following_ ? epoch_ + 1 : std::min(epoch_ + 1, options_.job.train().epochs());
    return Status::Stopped(why + " in epoch " + std::to_string(epoch) + " after " + std::to_string(rows) + " rows; " +
                           checkpoint);
  };
  if (!keeps_checkpoints()) return stopped(rows_, "no checkpoint is kept");
  observer_->OnMessage("stopping: writing a checkpoint");
  RETURN_IF_ERROR(Settle());
  RETURN_IF_ERROR(Until([this] { return coordinator_.idle(); }));
  const auto saved = CheckpointAndWait(Purpose::kStop);
  if (!saved.ok()) return stopped(rows_, "no checkpoint: " + saved.status().text());
  return stopped(cut_state_.rows(), "checkpoint: " + *saved);  // training went on until the cut
}

// Tells everyone, and waits a little until they know.
void Scheduler::Impl::ShutDown(const Status& verdict) {
  stopping_ = true;
  verdict_ = verdict.ok() ? "done" : verdict.text();
  for (const auto& [rank, envelope] : registrations_) {
    Reply(envelope, MakeReply(envelope.message.header, proto::FAILED, "the job has ended: " + verdict_));
    membership_.Dismiss(envelope.message.header);
  }
  calls_.Forget();
  for (std::uint32_t shard = 0; shard < calls_.shards(); ++shard) {
    Message message;
    message.header.set_kind(proto::STOP);
    running_shards_.insert(shard);
    calls_.Send(shard, std::move(message), "stop of " + placement_.NameOfShard(shard), request_timeout_,
                [this, shard](const Result<Message>&) { running_shards_.erase(shard); });
  }
  // Who trains hears of it in the answer to a progress report or, at the latest, to a heartbeat.
  const double heartbeat = options_.job.cluster().heartbeat_timeout() / 3;
  const Deadline deadline = Clock::now() + Seconds(std::clamp(heartbeat + 1, 1.0, 10.0));
  while (!AllHaveEnded() && Clock::now() < deadline) {
    const Status ignored = Step();
    LOG_IF(WARNING, !ignored.ok()) << "while stopping: " << ignored.text();
  }
}

bool Scheduler::Impl::AllHaveEnded() const {
  const Deadline now = Clock::now();
  const bool shards_run = std::any_of(running_shards_.begin(), running_shards_.end(), [&](std::uint32_t shard) {
    return membership_.Awaited(placement_.PrimaryOf(shard).role, placement_.PrimaryOf(shard).index, now);
  });
  return !shards_run && membership_.AllDismissed(proto::WORKER, now) && membership_.AllDismissed(proto::SPARE, now);
}

double Scheduler::Impl::SecondsSoFar() const {
  return earlier_seconds_ + std::chrono::duration<double>(Clock::now() - start_).count();
}

// The job's time, as rows' ages are counted in. Training alone has one.
std::uint32_t Scheduler::Impl::JobSeconds() const { return training_ ? static_cast<std::uint32_t>(SecondsSoFar()) : 0; }

// In epochs.
double Scheduler::Impl::ShareOfJob() const { return epoch_ + (queue_ ? queue_->share() : 0); }

}  // namespace sherd
