#include "tests/protocol/placement_model.h"

#include <string>

#include "scheduler/shard_placement.h"

namespace sherd::protocol {
namespace {

// The third server is a spare.
ShardPlacement::Host HostOf(int server) {
  if (server == kServers - 1) return {proto::SPARE, 0};
  return {proto::SERVER, static_cast<std::uint32_t>(server)};
}

int NumberOf(const std::string& endpoint) { return endpoint.empty() ? kNobody : std::stoi(endpoint); }

ShardPlacement::Replica ReplicaAt(int server) { return {.host = HostOf(server), .endpoint = std::to_string(server)}; }

ShardPlacement Real(const Placement& from) {
  proto::Placement saved;
  saved.set_epoch(from.epoch);
  const auto save = [](int server, proto::Placement::Replica* to) {
    to->set_role(HostOf(server).role);
    to->set_index(HostOf(server).index);
    to->set_endpoint(std::to_string(server));
  };
  proto::Placement::Shard* const shard = saved.add_shard();
  save(from.primary, shard->mutable_primary());
  if (from.follower != kNobody) save(from.follower, shard->mutable_follower());
  ShardPlacement placement;
  placement.Restore(saved);
  return placement;
}

Placement Model(const ShardPlacement& placement) {
  return {.epoch = static_cast<std::uint8_t>(placement.epoch()),
          .primary = static_cast<std::uint8_t>(NumberOf(placement.EndpointOf(0))),
          .follower = static_cast<std::uint8_t>(NumberOf(placement.FollowerOf(0)))};
}

}  // namespace

Lost Lose(const Placement& placement, int server) {
  ShardPlacement real = Real(placement);
  const ShardPlacement::Loss loss = real.Lose(HostOf(server));
  return {.placement = Model(real), .gone = !loss.gone.empty()};
}

Placement Drop(const Placement& placement) {
  ShardPlacement real = Real(placement);
  real.DropFollower(0);
  return Model(real);
}

Placement Add(const Placement& placement, int follower) {
  ShardPlacement real = Real(placement);
  real.AddFollower(0, ReplicaAt(follower));
  return Model(real);
}

Placement GiveBack(const Placement& placement, int follower) {
  ShardPlacement real = Real(placement);
  real.GiveBack(ReplicaAt(follower));
  return Model(real);
}

Placement Renew(const Placement& placement) {
  ShardPlacement real = Real(placement);
  real.Renew();
  return Model(real);
}

std::optional<int> TakeRoom(const Placement& placement, std::uint8_t rooms) {
  ShardPlacement real = Real(placement);
  for (int server = 0; server < kServers; ++server) {
    if ((rooms >> server & 1) == 0) continue;
    proto::Register registered;
    registered.add_follower_endpoint(std::to_string(server));
    real.AddRoom(HostOf(server), registered);
  }
  const std::optional<ShardPlacement::Replica> room = real.TakeRoom(0);
  return room.has_value() ? std::optional(NumberOf(room->endpoint)) : std::nullopt;
}

}  // namespace sherd::protocol
