// What shards are given to begin with, and at the end: checkpoints, whole or in parts.
#include <filesystem>
#include <utility>

#include "base/file.h"
#include "scheduler/scheduler_impl.h"

namespace sherd {
namespace {

// What a shard does on its disk may take this many times as long as a plain request.
constexpr int kLongRequest = 10;

// What a shard says of files that it can not read or believe; a shard that does not answer is another matter.
bool IsDamage(const Status& status) { return !status.ok() && status.code() == ErrorCode::kBadData; }

}  // namespace

// The newest checkpoint whose every byte that is read is what was written.
Status Scheduler::Impl::LoadStart() {
  if (start_at_.dir.empty()) return options_.warm_start.dir().empty() ? Status() : Load(options_.warm_start);
  Status status = LoadAll(start_at_.dir);
  for (const StartingPoint& before : options_.fallbacks) {
    if (!IsDamage(status)) break;
    observer_->OnMessage("damaged: " + status.text() + "; going on with the one before, " + before.dir + ", after " +
                         std::to_string(before.manifest.state().rows()) + " rows");
    folders_.Distrust(start_at_.dir);
    start_at_ = before;
    status = LoadAll(start_at_.dir);
  }
  return status;
}

Status Scheduler::Impl::Load(proto::LoadCheckpoint what) {
  chain_.Break();
  RETURN_IF_ERROR(
      CallAllShards(proto::LOAD, &what, kLongRequest * request_timeout_)
          .Annotate((what.part().empty() ? "restore checkpoint " : "warm start from checkpoint ") + what.dir()));
  *restore_point_.mutable_load() = std::move(what);
  restore_point_.set_written(false);
  return JournalRestorePoint();
}

Status Scheduler::Impl::LoadAll(const std::string& dir) {
  proto::LoadCheckpoint what;
  what.set_dir(dir);
  return Load(std::move(what));
}

// Of a run that begins from nothing the state is empty.
void Scheduler::Impl::GoOnFrom(const proto::JobState& state) {
  judge_ = EpochJudge(options_.job, state);
  epoch_ = state.epoch();
  clock_ = state.clock();
  rows_ = state.rows();
  followed_ = state.followed();
  earlier_seconds_ = state.seconds();
  resumed_.assign(state.chunk().begin(), state.chunk().end());
  weights_epoch_ = state.finished() && state.best_epoch() > 0 && options_.job.evaluation().restore_best()
                       ? state.best_epoch()
                       : epoch_;
  if (!state.best_checkpoint().empty()) {
    // Without the name of the checkpoint that we go on from: that one will be pruned.
    const std::string best = JoinPath(JoinPath(start_at_.dir, ".."), state.best_checkpoint());
    best_dir_ = std::filesystem::path(best).lexically_normal().string();
  }
  // Between two epochs only: what has begun is trained to its end and judged.
  const std::uint32_t patience = options_.job.evaluation().patience();
  stop_early_ = resumed_.empty() && patience > 0 && state.epochs_without_gain() >= patience;
  if (stop_early_ && epoch_ < options_.job.train().epochs()) {
    observer_->OnMessage("had stopped early after epoch " + std::to_string(epoch_) +
                         "; with a greater evaluation.patience it would go on");
  }
}

Status Scheduler::Impl::RestoreBest() {
  const std::uint32_t best = judge_.best_epoch();
  if (!options_.job.evaluation().restore_best() || best == 0 || best == weights_epoch_) return {};
  if (best_dir_.empty()) {
    observer_->OnMessage("epoch " + std::to_string(best) + " was the best, but its weights were not kept");
    return {};
  }
  RETURN_IF_ERROR(Until([this] { return coordinator_.idle(); }));  // which loading would end
  RETURN_IF_ERROR(LoadAll(best_dir_));
  weights_epoch_ = best;
  observer_->OnMessage("restored the weights of epoch " + std::to_string(best) + ", the best");
  return {};
}

}  // namespace sherd
