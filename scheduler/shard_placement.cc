#include "scheduler/shard_placement.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace sherd {

void ShardPlacement::Start(const std::vector<proto::Register>& servers, std::uint32_t replicas) {
  shards_.clear();
  room_.clear();
  known_.clear();
  const std::uint32_t count = static_cast<std::uint32_t>(servers.size());
  for (std::uint32_t server = 0; server < count; ++server) {
    const std::uint32_t next = (server + 1) % count;
    const auto& followers = servers[next].follower_endpoint();
    for (int i = 0; i < servers[server].shard_endpoint_size(); ++i) {
      Placed& shard = shards_.emplace_back();
      shard.primary = {.host = {proto::SERVER, server}, .endpoint = servers[server].shard_endpoint(i)};
      if (replicas > 1 && next != server && i < followers.size()) {
        shard.follower = {.host = {proto::SERVER, next}, .endpoint = followers[i]};
      }
    }
  }
  for (std::uint32_t server = 0; server < count; ++server) AddRoom({proto::SERVER, server}, servers[server]);
}

void ShardPlacement::AddRoom(const Host& host, const proto::Register& registered) {
  if (registered.follower_endpoint().empty() || !known_.insert(host).second) return;
  for (const std::string& endpoint : registered.follower_endpoint()) {
    const bool taken = std::ranges::any_of(shards_, [&](const Placed& s) { return s.follower.endpoint == endpoint; });
    if (!taken) room_.push_back({.host = host, .endpoint = endpoint});
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

proto::ShardMap ShardPlacement::MapWith(std::uint32_t shard, const Replica& follower) const {
  proto::ShardMap map = Map();
  while (map.follower_size() < map.endpoint_size()) map.add_follower();
  map.set_follower(static_cast<int>(shard), follower.endpoint);
  return map;
}

std::string ShardPlacement::NameOfShard(std::uint32_t shard) const {
  const Replica& primary = shards_[shard].primary;
  return "shard " + std::to_string(shard) + (primary.host.role == proto::SPARE ? " (spare " : " (server ") +
         std::to_string(primary.host.index) + " at " + primary.endpoint + ")";
}

ShardPlacement::Loss ShardPlacement::Lose(const Host& host) {
  ++epoch_;
  std::erase_if(room_, [&](const Replica& room) { return room.host == host; });
  Loss loss;
  for (std::uint32_t i = 0; i < shards(); ++i) {
    Placed& shard = shards_[i];
    if (HasFollower(i) && shard.follower.host == host) {
      shard.follower = {};
      loss.alone.push_back(i);
    }
    if (shard.primary.host != host) continue;
    if (HasFollower(i)) {
      shard.primary = std::exchange(shard.follower, {});
      loss.promoted.push_back(i);
    } else {
      loss.gone.push_back(i);
    }
  }
  return loss;
}

std::uint32_t ShardPlacement::Load(const Host& host) const {
  std::uint32_t replicas = 0;
  for (std::uint32_t i = 0; i < shards(); ++i) {
    replicas += shards_[i].primary.host == host ? 1 : 0;
    replicas += HasFollower(i) && shards_[i].follower.host == host ? 1 : 0;
  }
  return replicas;
}

std::optional<ShardPlacement::Replica> ShardPlacement::TakeRoom(std::uint32_t shard) {
  const auto cost = [&](const Replica& room) {
    return std::tuple(room.host == PrimaryOf(shard), room.host.role != proto::SPARE, Load(room.host));
  };
  const auto best = std::ranges::min_element(room_, {}, cost);
  if (best == room_.end() || best->host == PrimaryOf(shard)) return std::nullopt;
  Replica taken = std::move(*best);
  room_.erase(best);
  return taken;
}

void ShardPlacement::GiveBack(const Replica& room) {
  ++epoch_;
  room_.push_back(room);
}

void ShardPlacement::AddFollower(std::uint32_t shard, const Replica& follower) {
  ++epoch_;
  shards_[shard].follower = follower;
}

}  // namespace sherd
