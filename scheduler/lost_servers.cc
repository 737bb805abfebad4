// What becomes of a lost server's shards: docs/fault_tolerance.md, "Servers".
#include <utility>

#include "scheduler/scheduler_impl.h"

namespace sherd {

Status Scheduler::Impl::LoseSilentServers(Deadline now) {
  const std::vector<std::uint32_t> silent = membership_.Silent(proto::SERVER, now);
  if (silent.empty()) return {};
  const std::string what = membership_.CheckAlive(now).text();
  for (const std::uint32_t server : silent) RETURN_IF_ERROR(LoseServer(server, what));
  return TellShardsOfMap();
}

// Nobody hears it any more; and before a shard has another primary, no answer of this one counts: it has none without
// its follower, which refuses it from the new map on.
Status Scheduler::Impl::LoseServer(std::uint32_t server, const std::string& what) {
  const ShardPlacement::Loss loss = placement_.Lose(server);
  if (!loss.gone.empty()) {
    if (options_.job.cluster().replicas() == 1) return Status::Unavailable(what);
    return Status::Unavailable(what + "; shard " + std::to_string(loss.gone.front()) + " has no replica left");
  }
  membership_.Expel(proto::SERVER, server);
  paused_.erase(server);
  if (!loss.promoted.empty()) {
    coordinator_.LosePrimaries("server " + std::to_string(server) + " was lost");
    chain_.Break();
  }
  observer_->OnMessage(what + "; " + std::to_string(loss.promoted.size()) +
                       " of its shards go on at their followers, " +
                       std::to_string(loss.promoted.size() + loss.alone.size()) + " have none now");
  return {};
}

// All that are left, primaries and followers. What others have not answered is not waited for: a map that leaves them
// out follows.
Status Scheduler::Impl::TellShardsOfMap() {
  const proto::ShardMap map = placement_.Map();
  untold_replicas_ = 0;
  for (std::uint32_t shard = 0; shard < placement_.shards(); ++shard) {
    for (const std::string& endpoint : {placement_.EndpointOf(shard), placement_.FollowerOf(shard)}) {
      if (endpoint.empty()) continue;
      ++untold_replicas_;
      RETURN_IF_ERROR(calls_.SendTo(
          endpoint, shard, MakeControl(proto::SHARD_MAP, map),
          "map " + std::to_string(map.epoch()) + " of the shards at " + endpoint, request_timeout_,
          [this, epoch = map.epoch()](const Result<Message>& answer) { MapTaken(epoch, answer.status()); }));
    }
  }
  return calls_.TakeMap(map);
}

void Scheduler::Impl::MapTaken(std::uint32_t epoch, const Status& status) {
  if (epoch != placement_.epoch()) return;
  if (!status.ok()) return Fail(status);
  if (--untold_replicas_ == 0) told_map_ = placement_.Map();
}

}  // namespace sherd
