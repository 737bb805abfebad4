#include "scheduler/shard_placement.h"

#include <utility>

namespace sherd {

void ShardPlacement::Start(const std::vector<proto::Register>& servers) {
  shards_.clear();
  for (std::uint32_t server = 0; server < servers.size(); ++server) {
    const std::uint32_t next = (server + 1) % static_cast<std::uint32_t>(servers.size());
    const auto& followers = servers[next].follower_endpoint();
    for (int i = 0; i < servers[server].shard_endpoint_size(); ++i) {
      Placed& shard = shards_.emplace_back();
      shard.primary = {.server = server, .endpoint = servers[server].shard_endpoint(i)};
      if (next != server && i < followers.size()) shard.follower = {.server = next, .endpoint = followers[i]};
    }
  }
}

proto::ShardMap ShardPlacement::Map() const {
  proto::ShardMap map;
  map.set_epoch(epoch_);
  bool followed = false;
  for (const Placed& shard : shards_) {
    map.add_endpoint(shard.primary.endpoint);
    map.add_follower(shard.follower.endpoint);
    followed |= !shard.follower.endpoint.empty();
  }
  if (!followed) map.clear_follower();
  return map;
}

std::string ShardPlacement::NameOfShard(std::uint32_t shard) const {
  const Replica& primary = shards_[shard].primary;
  return "shard " + std::to_string(shard) + " (server " + std::to_string(primary.server) + " at " + primary.endpoint +
         ")";
}

ShardPlacement::Loss ShardPlacement::Lose(std::uint32_t server) {
  ++epoch_;
  Loss loss;
  for (std::uint32_t i = 0; i < shards(); ++i) {
    Placed& shard = shards_[i];
    if (HasFollower(i) && shard.follower.server == server) {
      shard.follower = {};
      loss.alone.push_back(i);
    }
    if (shard.primary.server != server) continue;
    if (HasFollower(i)) {
      shard.primary = std::exchange(shard.follower, {});
      loss.promoted.push_back(i);
    } else {
      loss.gone.push_back(i);
    }
  }
  return loss;
}

}  // namespace sherd
