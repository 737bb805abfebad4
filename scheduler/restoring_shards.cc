// What becomes of shards that nobody has any more: docs/fault_tolerance.md, "Back to a checkpoint".
#include <algorithm>
#include <utility>

#include "base/manifest.h"
#include "base/partition.h"
#include "scheduler/scheduler_impl.h"

namespace sherd {
namespace {

constexpr int kLoading = 10;  // request timeouts that a shard may take

// Of the file that was written last of the shard; none of a checkpoint with other shards.
std::vector<proto::Taken> TakenOf(const proto::Manifest& manifest, std::uint32_t shard, std::uint32_t shards) {
  std::vector<proto::Taken> taken;
  for (const proto::ShardFile& file : manifest.file()) {
    if (file.first_slot() != FirstSlot(shard, shards)) continue;
    taken.assign(file.taken().begin(), file.taken().end());
  }
  return taken;
}

}  // namespace

Status Scheduler::Impl::MayRestore(std::uint32_t shard) const {
  const proto::Job& job = options_.job;
  const auto no = [shard](const std::string& why) {
    return Status::Unavailable("shard " + std::to_string(shard) +
                               " has no replica left, and can not be restored: " + why);
  };
  if (membership_.Registered(proto::SPARE).empty()) return no("there is no spare");
  if (job.cluster().lost_shard() == proto::Cluster::END) return no("cluster.lost_shard is END");
  if (!job.checkpoint().server_dir().empty()) return no("its files are in checkpoint.server_dir, on its own disk");
  if (!restore_point_.has_load() && job.cluster().lost_shard() != proto::Cluster::RESTORE_OR_BEGIN_ANEW) {
    return no("there is no checkpoint yet");
  }
  return {};
}

// Asked again and again: a spare may have yet to register.
Status Scheduler::Impl::RestoreLostShards(Deadline now) {
  if (!placement_.gone().empty()) AddRoomOfSpares();
  for (const std::uint32_t shard : placement_.gone()) {
    if (restoring_.contains(shard)) continue;
    std::optional<ShardPlacement::Replica> room = placement_.TakeRoom(shard);
    if (room.has_value()) {
      RETURN_IF_ERROR(RestoreShard(shard, *std::move(room)));
    } else if (now >= room_until_) {
      return Status::Unavailable("shard " + std::to_string(shard) + " can not be restored: no spare has room for it");
    }
  }
  return {};
}

// It is made there, empty; is given what the checkpoint has; and hears what the others know: who is lost, and which
// epoch it is. Only then others hear of it.
Status Scheduler::Impl::RestoreShard(std::uint32_t shard, ShardPlacement::Replica room) {
  Restoring& restoring = restoring_[shard];
  restoring = {.attempt = ++restorings_, .room = std::move(room)};
  restoring.steps.push_back(MakeControl(proto::SHARD_MAP, placement_.MapWithPrimary(shard, restoring.room)));
  proto::TakeOver stand = StandOfShards();
  const proto::LoadCheckpoint& load = restore_point_.load();
  if (restore_point_.has_load()) restoring.steps.push_back(MakeControl(proto::LOAD, load));
  if (restore_point_.has_load() && load.part().empty()) {
    Result<proto::Manifest> manifest = ReadManifest(load.dir());
    if (!manifest.ok()) return manifest.status().Annotate("restore shard " + std::to_string(shard));
    if (restore_point_.written()) restoring.had = TakenOf(*manifest, shard, placement_.shards());
    const bool of_this_epoch = stand.has_start() && manifest->state().epoch() == stand.start().epoch();
    for (const proto::ChunkPosition& position : manifest->state().chunk()) {
      if (!of_this_epoch) break;
      proto::ChunkRange* const range = stand.add_applied();
      range->set_chunk(position.chunk().id());
      range->set_first_minibatch(position.first_minibatch());
      range->set_end_minibatch(position.minibatches());
    }
  }
  restoring.steps.push_back(MakeControl(proto::TAKE_OVER, stand));
  GoOnRestoring(shard, restoring.attempt);
  return {};
}

void Scheduler::Impl::GoOnRestoring(std::uint32_t shard, std::uint32_t attempt) {
  const auto found = restoring_.find(shard);
  if (found == restoring_.end() || found->second.attempt != attempt) return;  // its host was lost too
  Restoring& restoring = found->second;
  if (restoring.steps.empty()) return Restored(shard);
  Message step = std::move(restoring.steps.front());
  restoring.steps.pop_front();
  const std::string what = KindName(step.header.kind()) + " at " + restoring.room.endpoint;
  const auto then = [this, shard, attempt](const Result<Message>& answer) {
    if (answer.ok()) return GoOnRestoring(shard, attempt);
    const auto found = restoring_.find(shard);
    if (found == restoring_.end() || found->second.attempt != attempt) return;
    Fail(answer.status().Annotate("restore shard " + std::to_string(shard) + " from " + RestorePointName()));
  };
  Fail(calls_.SendTo(restoring.room.endpoint, shard, std::move(step), what, kLoading * request_timeout_, then));
}

void Scheduler::Impl::Restored(std::uint32_t shard) {
  const Restoring restoring = std::move(restoring_.extract(shard).mapped());
  placement_.Restore(shard, restoring.room);
  observer_->OnMessage("shard " + std::to_string(shard) + " is restored from " + RestorePointName() + ", on " +
                       membership_.NameOf(restoring.room.host.role, restoring.room.host.index));
  AwaitCounts(shard, restoring.had);
  if (placement_.gone().empty()) Fail(TellShardsOfMap());
}

std::string Scheduler::Impl::RestorePointName() const {
  return restore_point_.has_load() ? restore_point_.load().dir() : "its initializers";
}

// ---- what that costs -----------------------------------------------------------------------------------------------

// Each worker knows what the lost shard had acknowledged to it. Nothing is pushed any more once the best weights are
// back.
void Scheduler::Impl::AwaitCounts(std::uint32_t shard, const std::vector<proto::Taken>& had) {
  Counting& counting = counting_[shard];  // goes on, should it be lost again meanwhile
  counting.report.shard = shard;
  counting.report.from = RestorePointName();
  counting.restored = placement_.epoch();
  for (const proto::Taken& taken : had) {
    proto::Taken& counted = counted_[{shard, taken.worker()}];
    if (taken.incarnation() != counted.incarnation() || taken.pushes() > counted.pushes()) counted = taken;
  }
  lost_updates_.set_shards(lost_updates_.shards() + 1);
  if (started_.has_value() || weights_epoch_ == epoch_) {
    const std::vector<std::uint32_t> workers = membership_.LiveWorkers();
    counting.awaited = {workers.begin(), workers.end()};
    counting.report.more |= std::ranges::any_of(lost_, [&](const proto::LostRank& lost) {
      const auto had = counted_.find({shard, lost.index()});
      const bool before = had != counted_.end() && had->second.incarnation() >= lost.successor();
      return lost.role() == proto::WORKER && !before;
    });
  }
  ReportCounts();
}

void Scheduler::Impl::OnRestarted(std::uint32_t worker, const proto::Restarted& restarted) {
  const auto found = counting_.find(restarted.shard());
  if (found == counting_.end() || !found->second.awaited.contains(worker)) return;
  if (restarted.restored() == found->second.restored) found->second.awaited.erase(worker);
  proto::Taken& before = counted_[{restarted.shard(), worker}];
  const proto::Taken& now = restarted.taken();
  if (before.incarnation() != now.incarnation()) before.Clear();
  found->second.report.pushes += now.pushes() - std::min(now.pushes(), before.pushes());
  found->second.report.updates += now.updates() - std::min(now.updates(), before.updates());
  before = now;
  ReportCounts();
}

void Scheduler::Impl::AwaitNoCountsOf(std::uint32_t worker) {
  for (auto& [shard, counting] : counting_) counting.report.more |= counting.awaited.erase(worker) > 0;
  ReportCounts();
}

void Scheduler::Impl::ReportCounts() {
  std::erase_if(counting_, [&](const auto& entry) {
    const auto& [shard, counting] = entry;
    if (!counting.awaited.empty()) return false;
    lost_updates_.set_pushes(lost_updates_.pushes() + counting.report.pushes);
    lost_updates_.set_updates(lost_updates_.updates() + counting.report.updates);
    lost_updates_.set_more(lost_updates_.more() || counting.report.more);
    observer_->OnShardRestored(counting.report);
    return true;
  });
  if (lost_updates_.shards() > 0) JournalLostUpdates();
}

}  // namespace sherd
