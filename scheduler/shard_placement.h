#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proto/wire.pb.h"

namespace sherd {

// Which server is the primary of each shard and which one its follower, from the first map on. What a map says holds
// from when all replicas have heard of it (docs/fault_tolerance.md). Thread-compatible.
class ShardPlacement {
 public:
  // A shard of server i has its follower, if servers have registered any, on the server after it.
  void Start(const std::vector<proto::Register>& servers);

  std::uint32_t epoch() const { return epoch_; }
  std::uint32_t shards() const { return static_cast<std::uint32_t>(shards_.size()); }
  proto::ShardMap Map() const;
  std::uint32_t PrimaryOf(std::uint32_t shard) const { return shards_[shard].primary.server; }
  bool HasFollower(std::uint32_t shard) const { return !shards_[shard].follower.endpoint.empty(); }
  const std::string& EndpointOf(std::uint32_t shard) const { return shards_[shard].primary.endpoint; }
  const std::string& FollowerOf(std::uint32_t shard) const { return shards_[shard].follower.endpoint; }
  std::string NameOfShard(std::uint32_t shard) const;  // "shard 2 (server 1 at tcp://…)"

  struct Loss {
    std::vector<std::uint32_t> promoted;  // shards whose follower is their primary now
    std::vector<std::uint32_t> alone;     // shards that have lost their follower
    std::vector<std::uint32_t> gone;      // shards that nobody has any more
  };
  // The server is no longer there. A new epoch.
  Loss Lose(std::uint32_t server);

 private:
  struct Replica {
    std::uint32_t server = 0;
    std::string endpoint;  // empty: there is none
  };
  struct Placed {
    Replica primary, follower;
  };

  std::uint32_t epoch_ = 1;
  std::vector<Placed> shards_;
};

}  // namespace sherd
