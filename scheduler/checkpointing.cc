// Checkpoints: from the decision to make one to its manifest. What a cut goes through stands in
// checkpoint_coordinator.h.
#include <glog/logging.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/file.h"
#include "base/job_file.h"
#include "base/manifest.h"
#include "scheduler/scheduler_impl.h"

namespace sherd {
namespace {

constexpr std::uint32_t kUsuallyInFlight =
    9;                                    // what workers choose at most; were it more, the cut would be tried again
constexpr std::chrono::seconds kLead{2};  // within which all workers hear of a cut; doubled with each attempt …
constexpr std::uint32_t kDoublings = 5;   // … up to so many times
constexpr int kWriting = 10;              // request timeouts that the shards may take to write

}  // namespace

// Outside an epoch there are no rows to lose, but a user may want a checkpoint before a long evaluation's end.
bool Scheduler::Impl::CheckpointDue(Deadline now) const {
  if (!keeps_checkpoints() || stop_requests_ > 0) return false;
  const bool training = epoch_open_ && !clocks_.all_retired();
  const bool evaluating = queue_ && evaluation_;
  if (checkpoint_requests_ > checkpoints_heeded_) return training || evaluating || waiting_for_files_;
  const bool new_rows = waiting_for_files_ && schedule_.HasNewRows(rows_);
  return (training || new_rows) && schedule_.Due(rows_, now);
}

void Scheduler::Impl::BeginCheckpoint(Purpose purpose) {
  purpose_ = purpose;
  attempts_ = 0;
  checkpoint_start_ = Clock::now();
  checkpoints_heeded_ = checkpoint_requests_;
  schedule_.Begin(rows_, checkpoint_start_);
  BeginCut();
}

// A request that can not be met is answered once.
void Scheduler::Impl::RefuseCheckpoints() {
  if (checkpoint_requests_ == checkpoints_heeded_ || keeps_checkpoints()) return;
  checkpoints_heeded_ = checkpoint_requests_;
  observer_->OnMessage("no checkpoint: none is kept by this run");
}

// Whatever happens from now on is not in the cut that is under way, if there is one: its shards only write it.
bool Scheduler::Impl::CutTaken() const {
  const auto phase = coordinator_.phase();
  return coordinator_.idle() || phase == CheckpointCoordinator::Phase::kWritten ||
         (phase == CheckpointCoordinator::Phase::kWriting && awaiting_files_);
}

Result<std::string> Scheduler::Impl::CheckpointAndWait(Purpose purpose) {
  RETURN_IF_ERROR(Until([this] { return coordinator_.idle() && CutMayBegin(); }));
  BeginCheckpoint(purpose);
  RETURN_IF_ERROR(Until([this] { return coordinator_.idle(); }));
  return checkpoint_;
}

void Scheduler::Impl::BeginCut() {
  auto folder = folders_.MakeNext();
  if (folder.ok() && attempts_ > 0) RemoveCut();
  if (!folder.ok() && attempts_ == 0) return EndCheckpoint(folder.status());
  if (!folder.ok()) {
    // The shards hold pushes until they hear of a next cut, so there has to be one. What the abandoned one left in its
    // folder is written over.
    observer_->OnMessage(folder.status().text() + "; trying again in the same folder");
    folder = coordinator_.plan().dir;
  }
  const Deadline now = Clock::now();
  const Clock::duration lead = kLead * (1 << std::min(attempts_++, kDoublings));
  CutPlan plan;
  plan.cut = ++last_cut_;
  plan.dir = *folder;
  // A final one is what others are given: its folder holds all of it.
  if (!chain_.Intact(*folder)) chain_.Break();
  const std::uint32_t since = purpose_ == Purpose::kFinal ? 0 : chain_.since();
  plan.shards = calls_.shards();
  for (std::uint32_t worker = 0; worker < membership_.WorkerPlaces(); ++worker) {
    if (!clocks_.retired(worker)) plan.workers.insert(worker);
  }
  // Without a bound on staleness nobody waits for a marked worker, so each may mark where it is; else all at one clock,
  // lest a worker wait for pushes that are held for its own mark.
  const proto::Train& train = options_.job.train();
  plan.any_clock = train.consistency() == proto::Train::ASYNC && !train.has_dense_staleness();
  const std::uint32_t in_flight = train.has_max_in_flight() ? train.max_in_flight() : kUsuallyInFlight;
  if (!plan.any_clock) plan.clock = clocks_.Ahead(lead, in_flight, now);
  const Clock::duration until_clock = plan.any_clock ? Clock::duration() : clocks_.TimeTo(plan.clock, now);
  const Deadline marks_until = now + request_timeout_ / 2 + lead + 2 * until_clock;
  coordinator_.Begin(std::move(plan), marks_until, marks_until + kWriting * request_timeout_);

  proto::OpenCut body;
  body.set_cut(last_cut_);
  body.set_dir(*folder);
  body.set_since_cut(since);
  body.set_deltas_follow(full_every_ > 1 && purpose_ != Purpose::kFinal);
  for (std::uint32_t shard = 0; shard < calls_.shards(); ++shard) {
    calls_.Send(shard, MakeControl(proto::OPEN_CUT, body), "open cut at " + placement_.NameOfShard(shard),
                request_timeout_, [this, cut = last_cut_, shard](const Result<Message>& answer) {
                  if (!answer.ok()) return coordinator_.Failed(cut, answer.status().text());
                  coordinator_.Opened(cut, shard);
                });
  }
  awaiting_files_ = false;
}

void Scheduler::Impl::AwaitCut() {
  awaiting_files_ = true;
  cut_state_ = StateOfCut();
  proto::OpenCut body;
  body.set_cut(coordinator_.plan().cut);
  body.set_dir(coordinator_.plan().dir);
  for (std::uint32_t shard = 0; shard < calls_.shards(); ++shard) {
    calls_.Send(shard, MakeControl(proto::AWAIT_CUT, body), "checkpoint of " + placement_.NameOfShard(shard),
                (kWriting + 1) * request_timeout_, [this, cut = last_cut_, shard](const Result<Message>& answer) {
                  proto::ShardFile file;
                  Status status = answer.status();
                  if (status.ok()) status = ParseBody(*answer, &file);
                  if (!status.ok()) return coordinator_.Failed(cut, status.text());
                  coordinator_.Wrote(cut, shard, std::move(file));
                });
  }
}

void Scheduler::Impl::DriveCheckpoint(Deadline now) {
  coordinator_.Tick(now);
  switch (coordinator_.phase()) {
    case CheckpointCoordinator::Phase::kIdle:
      RefuseCheckpoints();
      if (CheckpointDue(now) && CutMayBegin()) BeginCheckpoint(Purpose::kPeriodic);
      break;
    case CheckpointCoordinator::Phase::kWriting:
      if (!awaiting_files_) AwaitCut();
      break;
    case CheckpointCoordinator::Phase::kWritten:
      CutWritten();
      break;
    case CheckpointCoordinator::Phase::kAbandoned:
      if (CutMayBegin()) CutAbandoned();
      break;
    default:
      break;
  }
}

void Scheduler::Impl::CutAbandoned() {
  coordinator_.Close();
  const Status why(ErrorCode::kIo, "cut " + std::to_string(last_cut_) + " was abandoned: " + coordinator_.reason());
  // Shards hold the pushes of those who did mark until the next cut, so after a late mark there has to be one.
  if (!coordinator_.worth_retrying()) {
    RemoveCut();
    return EndCheckpoint(why);
  }
  observer_->OnMessage(why.text() + "; trying again");
  BeginCut();
}

void Scheduler::Impl::CutWritten() {
  const std::string dir = coordinator_.plan().dir;
  coordinator_.Close();
  const Status written = WriteManifestOfCut(dir);
  if (!written.ok()) {
    RemoveCut();
    return EndCheckpoint(written);
  }
  chain_.Append(coordinator_.plan().cut, dir, coordinator_.files());
  restore_point_.mutable_load()->Clear();
  restore_point_.mutable_load()->set_dir(dir);
  restore_point_.set_written(true);
  Fail(JournalRestorePoint());
  if (cut_state_.best_checkpoint() == std::filesystem::path(dir).filename()) best_dir_ = dir;
  const double seconds = std::chrono::duration<double>(Clock::now() - checkpoint_start_).count();
  if (keeps_checkpoints()) observer_->OnCheckpoint(dir, cut_state_.rows(), seconds);
  PruneCheckpoints();
  EndCheckpoint(dir);
}

Status Scheduler::Impl::WriteManifestOfCut(const std::string& dir) {
  RETURN_IF_ERROR(CheckLeadership());
  ASSIGN_OR_RETURN(const proto::Manifest manifest, ManifestOfCut());
  RETURN_IF_ERROR(WriteManifest(dir, manifest));
  // The folder's own name must be on disk too before older checkpoints go; and if it vanished while shards wrote, one
  // of them has made it anew, without the files of those before it.
  RETURN_IF_ERROR(SyncDirectory(DirectoryOf(dir)));
  return OpenCheckpoint(dir).status();
}

void Scheduler::Impl::PruneCheckpoints() {
  const proto::Checkpoint& options = options_.job.checkpoint();
  KeepPolicy policy{.keep = 1, .keep_every = 0, .best = best_dir_};
  if (keeps_checkpoints()) policy = {.keep = options.keep(), .keep_every = options.keep_every(), .best = best_dir_};
  const auto kept = folders_.Prune(policy);
  if (!kept.ok()) return observer_->OnMessage("old checkpoints stay: " + kept.status().text());
  if (options.server_dir().empty()) return;
  proto::Prune body;
  for (const std::string& name : *kept) body.add_keep(name);
  for (std::uint32_t shard = 0; shard < calls_.shards(); ++shard) {
    calls_.Send(shard, MakeControl(proto::PRUNE, body), "prune checkpoints at " + placement_.NameOfShard(shard),
                request_timeout_, [this](const Result<Message>& answer) {
                  if (!answer.ok()) observer_->OnMessage("old checkpoints stay: " + answer.status().text());
                });
  }
}

// What an attempt left behind. A shard that still writes there will find no folder to end in.
void Scheduler::Impl::RemoveCut() {
  const Status removed = RemoveTree(coordinator_.plan().dir);
  LOG_IF(WARNING, !removed.ok()) << removed.text();
}

// Training goes on without; whoever waits for this checkpoint decides what its absence means.
void Scheduler::Impl::EndCheckpoint(Result<std::string> result) {
  checkpoint_ = std::move(result);
  if (checkpoint_.ok()) return schedule_.Succeeded();
  schedule_.Failed(Clock::now());
  observer_->OnCheckpointFailed(checkpoint_.status().text(), schedule_.failures());
}

// As manifests have it: relative to their checkpoint's parent where it can be.
std::string Scheduler::Impl::NameOfBest() const {
  if (best_dir_.empty()) return "";
  const auto best = std::filesystem::path(best_dir_).lexically_normal();
  std::error_code error;
  const bool beside = std::filesystem::equivalent(best.parent_path(), folders_.dir(), error);
  return (beside ? best.filename() : std::filesystem::absolute(best)).string();
}

proto::JobState Scheduler::Impl::StateOfCut() const {
  proto::JobState state;
  state.set_epoch(epoch_);
  std::uint64_t clock = std::max(clock_, coordinator_.clock());
  for (std::uint32_t worker = 0; worker < membership_.WorkerPlaces(); ++worker) {
    if (coordinator_.marked().contains(worker)) continue;
    clock = std::max(clock, clocks_.clock(worker));
  }
  state.set_clock(clock);
  std::uint64_t rows = queue_ ? rows_before_ : rows_;
  if (queue_) {
    for (auto& position : queue_->Positions(coordinator_.marked(), coordinator_.parts())) {
      rows += position.rows();
      *state.add_chunk() = std::move(position);
    }
  }
  *state.mutable_followed() = followed_;
  state.set_rows(rows);
  judge_.Save(&state);
  const bool is_best = !queue_ && judge_.best_epoch() > 0 && judge_.best_epoch() == weights_epoch_;
  state.set_best_checkpoint(is_best ? std::filesystem::path(coordinator_.plan().dir).filename().string()
                                    : NameOfBest());
  state.set_finished(purpose_ == Purpose::kFinal);
  state.set_workers(options_.workers);
  state.set_seconds(SecondsSoFar());
  return state;
}

Result<proto::Manifest> Scheduler::Impl::ManifestOfCut() const {
  proto::Manifest manifest;
  manifest.set_job(ModelFingerprint(options_.job));
  manifest.set_job_name(options_.job.name());
  *manifest.mutable_model() = options_.model;
  ASSIGN_OR_RETURN(const std::vector<proto::ShardFile> files, chain_.FilesWith(coordinator_.files()));
  manifest.mutable_file()->Add(files.begin(), files.end());
  *manifest.mutable_state() = cut_state_;
  *manifest.mutable_statistics() = options_.statistics;
  manifest.set_job_text(options_.job_text);
  manifest.set_seed(options_.job.train().seed());
  return manifest;
}

}  // namespace sherd
