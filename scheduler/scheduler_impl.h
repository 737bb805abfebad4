#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/metrics/evaluated_rows.h"
#include "models/metrics/quality.h"
#include "scheduler/bad_rows.h"
#include "scheduler/checkpoint_chain.h"
#include "scheduler/checkpoint_coordinator.h"
#include "scheduler/checkpoint_folders.h"
#include "scheduler/checkpoint_schedule.h"
#include "scheduler/chunk_queue.h"
#include "scheduler/epoch_judge.h"
#include "scheduler/evaluation.h"
#include "scheduler/journal.h"
#include "scheduler/membership.h"
#include "scheduler/period_figures.h"
#include "scheduler/progress_meter.h"
#include "scheduler/scheduler.h"
#include "scheduler/shard_calls.h"
#include "scheduler/shard_placement.h"
#include "scheduler/task_desk.h"
#include "scheduler/worker_clocks.h"

namespace sherd {

// The job's course (run.cc) reads from top to bottom and waits by Until(), which keeps the event loop (messages.cc)
// going: heartbeats, tasks, progress and checkpoints (checkpointing.cc) are served whatever the course waits for. What
// is decided is decided in the small classes of this folder; here are the messages between them and the world. Confined
// to one thread but for RequestStop and RequestCheckpoint.
class Scheduler::Impl {
 public:
  Impl(Network* network, SchedulerOptions options, ChunkSource* chunks, Observer* observer, PredictionSink* predictions,
       RecommendationSink* recommendations);

  Result<std::string> Bind();
  Status Run();
  void Lead(Leadership* leadership, const std::string& journal_dir);
  bool replaced() const { return leadership_ != nullptr && leadership_->lost(); }
  void RequestStop() { ++stop_requests_; }
  void RequestCheckpoint() { ++checkpoint_requests_; }

 private:
  enum class Purpose { kPeriodic, kBest, kFinal, kStop };

  // ---- run.cc: the course of the job ----
  Status RunJob();
  Status Assemble();
  Status Train();
  Status TrainEpoch();
  Result<std::vector<proto::TableStatus>> DescribeTables();
  Status BeginEpoch();
  Status StartShards();
  Result<std::vector<proto::ChunkPosition>> ChunksOfEpoch();
  Status JudgeEpoch();
  Status SaveBest();
  Status FinishTraining();
  Status EvaluateOnly();
  // Each set's rows as the first checkpoint has scored them, against the other one.
  Status Compare(const std::map<proto::Chunk::Set, EvaluatedRows>& rows);
  bool KeepsRows() const;
  void KeepRows(std::span<const float> scores, std::span<const float> labels, std::span<const float> weights,
                std::span<const std::uint64_t> groups);
  std::uint32_t Samples(std::uint32_t wanted);
  void TellUncertainty(EvaluationReport* report);
  Status Predict();
  // Until all results of the chunks have been consumed.
  Status Await(std::vector<proto::Chunk> chunks);
  Result<EvaluationReport> Evaluate(proto::Chunk::Set set, std::uint32_t epoch);
  Status StopOrderly();
  void Done(DoneReport report);
  void ShutDown(const Status& verdict);
  bool AllHaveEnded() const;

  // Serves until the condition holds; an error of the job, or a request to stop, ends it.
  template <typename Condition>
  Status Until(Condition condition) {
    while (!condition()) {
      RETURN_IF_ERROR(Step());
      if (stop_requests_ > stops_heeded_) return Status::Stopped("stopped on request");
    }
    return {};
  }
  // A request to all shards, until all have answered; the first error, if any. Not given up for a first request to
  // stop. `by_shard`, unless null, gets the answers.
  Status CallAllShards(proto::Kind kind, const google::protobuf::MessageLite* body, Clock::duration timeout,
                       std::vector<Message>* by_shard = nullptr);

  // ---- recommending.cc ----
  Status Recommend();
  Status Explain();
  Status TakeLists(const ChunkResult& result);

  // ---- following.cc: files that come while the job runs ----
  bool follows() const;
  std::uint32_t PlannedEpochs() const;
  Status Follow();
  Result<bool> AwaitFiles();
  Status EndIntake();
  void ReportPeriod();

  // ---- messages.cc: the event loop ----
  Status Step();
  Status Tick(Deadline now);
  void Handle(Envelope envelope);
  Status Dispatch(const Envelope& envelope);
  Status OfWorker(const Envelope& envelope);
  Status OnRegister(const Envelope& envelope);
  Status OnFailure(const Envelope& envelope);
  Status OnHeartbeat(const Envelope& envelope);
  Status OnNextTask(const Envelope& envelope);
  Status OnProgress(const Envelope& envelope);
  Status OnEvalResult(const Envelope& envelope);
  Status OnCutPosition(const Envelope& envelope);
  void Welcome();
  void HeedFull(const proto::Header& header, const std::string& full);
  void HeedPause(const proto::Header& header, const std::string& why);
  void HeedLostFollower(const proto::Header& header, const proto::LostFollower& lost);
  proto::Command CommandFor(const proto::Header& header);
  void AnswerWaiting(std::uint32_t worker, Deadline now);
  std::optional<proto::Task> TaskFor(std::uint32_t worker, const proto::NextTask& body);
  std::optional<proto::Task> TrainingTask(std::uint32_t worker, const proto::NextTask& body);
  void Retire(std::uint32_t worker);
  void CountRows(std::uint32_t worker, std::uint64_t read, std::uint64_t bad,
                 const google::protobuf::RepeatedPtrField<proto::BadRow>& kinds);
  Status Consume(const ChunkResult& result);
  void ReportProgress(Deadline now);
  void WarnOfStandstill(Deadline now);
  void Fail(Status status);
  void Reply(const Envelope& request, Message reply) { Send({request.from, std::move(reply)}); }
  void Send(Envelope envelope);

  // ---- lost_servers.cc ----
  Status LoseSilentServers(Deadline now);
  Status LoseServer(const ShardPlacement::Host& host, const std::string& what);
  void AddRoomOfSpares();
  Status AddFollowers(Deadline now);
  Status AddFollower(std::uint32_t shard, ShardPlacement::Replica follower);
  void Joined(std::uint32_t epoch, const Status& status);
  void GiveUpJoining(const std::string& why);
  void RemoveCopies();
  Status TellShardsOfMap();
  void MapTaken(std::uint32_t epoch, const Status& status);

  // ---- restoring_shards.cc ----
  // Success, or why the job has to end without the shard.
  Status MayRestore(std::uint32_t shard) const;
  Status RestoreLostShards(Deadline now);
  Status RestoreShard(std::uint32_t shard, ShardPlacement::Replica room);
  void GoOnRestoring(std::uint32_t shard, std::uint32_t attempt);
  void Restored(std::uint32_t shard);
  std::string RestorePointName() const;
  void AwaitCounts(std::uint32_t shard, const std::vector<proto::Taken>& had);
  void OnRestarted(std::uint32_t worker, const proto::Restarted& restarted);
  void AwaitNoCountsOf(std::uint32_t worker);
  void ReportCounts();

  // ---- lost_workers.cc ----
  Status LoseSilentWorkers(Deadline now);
  Status LoseFailedWorker(std::uint32_t worker, const std::string& failure);
  Status LoseWorker(std::uint32_t worker, std::uint32_t successor);
  Status OnFenced(std::uint32_t worker, std::uint32_t shard, const Message& answer);
  bool Settled() const;
  bool RoundOver() const;
  Status BeginRound();
  Status Settle();
  Status TellDoneChunks(Deadline now);

  // ---- joining.cc: workers and spares that come while the job runs, and workers that leave ----
  Status Admit(const proto::Header& header);
  void MakePlaces();
  void RetireAbsent();
  bool MayLeave(std::uint32_t worker) const;
  std::optional<proto::Task> LeavingTask(std::uint32_t worker, const proto::NextTask& body);
  Status Leave(std::uint32_t worker);
  Status SayGoodbye(const Envelope& envelope);

  // ---- taking_over.cc: what there is to know, and what there is to ask ----
  Status TakeOver();
  bool AllRejoined() const;
  Status AwaitRanks(const proto::SchedulerState& state);
  bool AnyRankLeft() const;
  Status LoseAbsent();
  Status TakeOverShards(const proto::SchedulerState& state);
  proto::TakeOver StandOfShards() const;
  Status GoOnWithEpoch(const proto::SchedulerState& state, std::vector<std::vector<proto::ChunkRange>> applied);
  void TakeStand(std::uint32_t worker, const proto::WorkerStand& stand);
  // ---- journaling.cc: what another scheduler could not ask the ranks ----
  Status JournalNothing();
  Status JournalRound(const proto::StartEpoch* started);
  Status JournalLost(proto::Role role, std::uint32_t index, std::uint32_t successor);
  Status JournalPlacement();
  Status JournalRestorePoint();
  void JournalLostUpdates();
  Status JournalDone(const std::vector<std::uint64_t>& chunks);
  void JournalVerdict(const Status& verdict);
  Status Journaled(const Status& written);
  Status CheckLeadership() const;

  // ---- epoch_rows.cc: the rows of an epoch, by file ----
  void PreferLocalFiles();
  std::vector<FileRows> RowsByFile() const;

  // ---- resuming.cc: what the shards are given to begin or end with ----
  Status LoadStart();
  Status Load(proto::LoadCheckpoint what);
  Status LoadAll(const std::string& dir);
  void GoOnFrom(const proto::JobState& state);
  Status RestoreBest();

  // ---- checkpointing.cc ----
  bool keeps_checkpoints() const { return options_.keep_checkpoints && !options_.checkpoint_dir.empty(); }
  bool CheckpointDue(Deadline now) const;
  void RefuseCheckpoints();
  void BeginCheckpoint(Purpose purpose);
  bool CutTaken() const;
  bool CutMayBegin() const { return Settled() && placement_.gone().empty(); }
  Result<std::string> CheckpointAndWait(Purpose purpose);
  void BeginCut();
  void AwaitCut();
  void DriveCheckpoint(Deadline now);
  void CutAbandoned();
  void CutWritten();
  Status WriteManifestOfCut(const std::string& dir);
  void PruneCheckpoints();
  void RemoveCut();
  proto::JobState StateOfCut() const;
  Result<proto::Manifest> ManifestOfCut() const;
  std::string NameOfBest() const;
  void EndCheckpoint(Result<std::string> result);

  double SecondsSoFar() const;
  std::uint32_t JobSeconds() const;
  double ShareOfJob() const;
  Clock::duration Seconds(double seconds) const {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }

  const SchedulerOptions options_;
  ChunkSource* const chunks_;
  Observer* const observer_;
  PredictionSink* const predictions_;
  RecommendationSink* const recommendations_;
  const Clock::duration request_timeout_;
  const std::unique_ptr<Mailbox> mailbox_;
  ShardCalls calls_;
  Membership membership_;
  std::map<std::pair<proto::Role, std::uint32_t>, Envelope> registrations_;  // not yet answered
  bool welcomed_ = false;
  ShardPlacement placement_;
  struct Joining {  // a follower that is to be
    std::uint32_t shard = 0, epoch = 0;
    ShardPlacement::Replica follower;
  };
  std::optional<Joining> joining_;
  Deadline next_joining_;
  std::uint32_t failed_joinings_ = 0;  // since the last one that was not
  std::vector<std::string> freed_;     // places of followers that came to nothing, until they are told
  std::uint32_t untold_replicas_ = 0;  // that have not heard of the newest map
  proto::ShardMap told_map_;           // the newest that all of them have: what workers are told
  proto::RestorePoint restore_point_;
  struct Restoring {  // a shard that is made anew
    std::uint32_t attempt = 0;
    ShardPlacement::Replica room;
    std::deque<Message> steps = {};      // that have yet to be asked for
    std::vector<proto::Taken> had = {};  // what the checkpoint has of each worker
  };
  std::map<std::uint32_t, Restoring> restoring_;  // by shard
  std::uint32_t restorings_ = 0;
  Deadline room_until_;  // how long a spare for them is waited for
  struct Counting {      // of what a restored shard has lost
    RestoredReport report;
    std::uint32_t restored = 0;       // as in ShardMap
    std::set<std::uint32_t> awaited;  // workers
  };
  std::map<std::uint32_t, Counting> counting_;                               // by shard
  std::map<std::pair<std::uint32_t, std::uint32_t>, proto::Taken> counted_;  // by shard and worker: up to there
  proto::LostUpdates lost_updates_;
  Leadership* leadership_ = nullptr;
  std::string journal_dir_;
  Journal journal_;
  std::vector<proto::LostRank> lost_;                   // so far
  std::map<std::uint32_t, proto::WorkerStand> stands_;  // by worker: where they are, as they told this scheduler
  std::optional<Status> concluded_;                     // what the scheduler before has found the job to come to
  bool taken_over_ = false;                             // after training had begun
  bool epoch_taken_over_ = false;                       // and not yet gone on with
  std::atomic<int> stop_requests_{0}, checkpoint_requests_{0};
  int stops_heeded_ = 0, checkpoints_heeded_ = 0;
  bool stopping_ = false;
  std::string verdict_;
  std::string full_;                        // which server has no memory left for its tables: why the job stops
  std::set<std::uint32_t> paused_;          // servers that take no pushes for now
  std::set<std::uint32_t> running_shards_;  // while stopping
  Status failure_;
  Deadline last_tick_ = Clock::now(), last_report_, last_moved_;

  // Training. `epoch_` counts those that are over; the weights are those after epoch `weights_epoch_`, from 1.
  TaskDesk desk_;
  WorkerClocks clocks_;
  std::vector<RequestLog> progress_log_;  // by worker
  std::optional<ChunkQueue> queue_;       // from an epoch's begin to its verdict
  std::vector<proto::ChunkPosition> resumed_;
  std::vector<bool> ended_;            // by worker: was told END_EPOCH
  std::set<std::uint32_t> newcomers_;  // workers that are not in the epoch's round: it ends early for them
  std::set<std::uint32_t> departed_;   // workers that have left in an orderly way
  bool epoch_open_ = false;
  bool training_ = false;
  bool stop_early_ = false;
  std::uint32_t epoch_ = 0, weights_epoch_ = 0;
  std::uint32_t round_ = 0;                   // of the epoch
  std::optional<proto::StartEpoch> started_;  // what shards were told last, while an epoch is under way
  // rows_: trained in all; rows_before_: at the epoch's begin; reported_rows_: in this run's part of the epoch.
  // rows_resumed_: of the epoch, by the run that this one resumes.
  std::uint64_t clock_ = 0, rows_ = 0, rows_before_ = 0, reported_rows_ = 0, rows_resumed_ = 0;
  struct Leases {               // of a lost worker, while the shards are asked after them
    std::uint32_t missing = 0;  // shards
    std::uint32_t epoch = 0;
    std::vector<std::vector<std::uint32_t>> applied;  // [range][shard]
  };
  std::map<std::uint32_t, Leases> fenced_;             // by worker
  std::map<std::uint32_t, std::string> own_failures_;  // of workers that were lost by them
  Deadline told_done_;
  double epoch_loss_ = 0;
  double earlier_seconds_ = 0, share_at_start_ = 0;
  Deadline start_, epoch_start_;
  BadRows bad_rows_;
  ProgressMeter meter_;
  StageTimes stages_;  // of the whole run
  EpochJudge judge_;

  // Following. The files that were taken in so far.
  proto::Followed followed_;
  bool following_ = false, waiting_for_files_ = false;
  PeriodFigures periods_;

  // Evaluation, one at a time.
  std::optional<Evaluation> evaluation_;
  std::optional<Quality> quality_;
  std::optional<EvaluatedRows> kept_rows_;  // of the set at hand, where more than figures is asked for
  std::uint32_t evaluations_ = 0;
  std::uint64_t predicted_rows_ = 0;
  std::map<std::uint32_t, Metrics> eval_metrics_;  // by epoch, from 1

  // Checkpoints.
  StartingPoint start_at_;  // what the run begins from; nothing: an empty folder's name
  CheckpointCoordinator coordinator_;
  CheckpointFolders folders_;
  const std::uint32_t full_every_;
  CheckpointChain chain_;
  CheckpointSchedule schedule_;
  Purpose purpose_ = Purpose::kPeriodic;
  std::uint32_t last_cut_ = 0, attempts_ = 0;
  bool awaiting_files_ = false;
  Deadline checkpoint_start_;
  proto::JobState cut_state_;
  std::string best_dir_;
  Result<std::string> checkpoint_ = std::string();  // the folder of the last one, or why there is none

  // Recommending.
  std::deque<ChunkResult> unexplained_;  // lists, by chunk, until their shares have come
  bool explaining_ = false;
};

}  // namespace sherd
