#include "scheduler/shard_placement.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace sherd {

void ShardPlacement::Start(const std::vector<proto::Register>& servers, std::uint32_t replicas) {
  shards_.clear();
  gone_.clear();
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
    const bool taken = std::ranges::any_of(shards_, [&](const Placed& shard) {
      return shard.follower.endpoint == endpoint || shard.primary.endpoint == endpoint;
    });
    if (!taken) room_.push_back({.host = host, .endpoint = endpoint});
  }
}

proto::Placement ShardPlacement::Save() const {
  proto::Placement placement;
  const auto save = [](const Replica& from, proto::Placement::Replica* to) {
    to->set_role(from.host.role);
    to->set_index(from.host.index);
    to->set_endpoint(from.endpoint);
  };
  placement.set_epoch(epoch_);
  for (std::uint32_t i = 0; i < shards(); ++i) {
    proto::Placement::Shard* const shard = placement.add_shard();
    save(shards_[i].primary, shard->mutable_primary());
    if (HasFollower(i)) save(shards_[i].follower, shard->mutable_follower());
    if (shards_[i].restored > 0) shard->set_restored(shards_[i].restored);
  }
  return placement;
}

void ShardPlacement::Restore(const proto::Placement& placement) {
  const auto restored = [](const proto::Placement::Replica& from) {
    return Replica{.host = {from.role(), from.index()}, .endpoint = from.endpoint()};
  };
  epoch_ = placement.epoch();
  shards_.clear();
  gone_.clear();
  room_.clear();
  known_.clear();
  for (const proto::Placement::Shard& from : placement.shard()) {
    Placed& shard = shards_.emplace_back();
    shard.primary = restored(from.primary());
    if (from.has_follower()) shard.follower = restored(from.follower());
    shard.restored = from.restored();
  }
}

std::set<ShardPlacement::Host> ShardPlacement::Hosts() const {
  std::set<Host> hosts;
  for (const Placed& shard : shards_) {
    hosts.insert(shard.primary.host);
    if (!shard.follower.endpoint.empty()) hosts.insert(shard.follower.host);
  }
  return hosts;
}

std::vector<std::string> ShardPlacement::Rooms() const {
  std::vector<std::string> rooms;
  for (const Replica& room : room_) rooms.push_back(room.endpoint);
  return rooms;
}

proto::ShardMap ShardPlacement::Map() const {
  proto::ShardMap map;
  map.set_epoch(epoch_);
  bool followed = false, restored = false;
  for (const Placed& shard : shards_) {
    map.add_endpoint(shard.primary.endpoint);
    map.add_follower(shard.follower.endpoint);
    map.add_restored(shard.restored);
    followed |= !shard.follower.endpoint.empty();
    restored |= shard.restored > 0;
  }
  if (!followed) map.clear_follower();
  if (!restored) map.clear_restored();
  return map;
}

proto::ShardMap ShardPlacement::MapWith(std::uint32_t shard, const Replica& follower) const {
  proto::ShardMap map = Map();
  while (map.follower_size() < map.endpoint_size()) map.add_follower();
  map.set_follower(static_cast<int>(shard), follower.endpoint);
  return map;
}

proto::ShardMap ShardPlacement::MapWithPrimary(std::uint32_t shard, const Replica& primary) const {
  proto::ShardMap map = Map();
  map.set_endpoint(static_cast<int>(shard), primary.endpoint);
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
      gone_.insert(i);
    }
  }
  return loss;
}

void ShardPlacement::Restore(std::uint32_t shard, const Replica& room) {
  ++epoch_;
  gone_.erase(shard);
  shards_[shard] = {.primary = room, .follower = {}, .restored = epoch_};
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
  const auto unfit = [&](const Replica& room) {
    return room.host == PrimaryOf(shard) || Apart(room.host, PrimaryOf(shard));
  };
  const auto cost = [&](const Replica& room) {
    return std::tuple(unfit(room), room.host.role != proto::SPARE, Load(room.host));
  };
  const auto best = std::ranges::min_element(room_, {}, cost);
  if (best == room_.end() || unfit(*best)) return std::nullopt;
  Replica taken = std::move(*best);
  room_.erase(best);
  return taken;
}

void ShardPlacement::GiveBack(const Replica& room) {
  ++epoch_;
  room_.push_back(room);
}

void ShardPlacement::DropFollower(std::uint32_t shard) {
  apart_.insert({PrimaryOf(shard), shards_[shard].follower.host});
  GiveBack(std::exchange(shards_[shard].follower, {}));
}

void ShardPlacement::AddFollower(std::uint32_t shard, const Replica& follower) {
  ++epoch_;
  shards_[shard].follower = follower;
}

}  // namespace sherd
