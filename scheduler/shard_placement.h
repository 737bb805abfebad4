#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "proto/job.pb.h"
#include "proto/journal.pb.h"
#include "proto/wire.pb.h"

namespace sherd {

// Do spares register room for shards?
inline bool SparesHaveRoom(const proto::Cluster& cluster) {
  return cluster.replicas() > 1 || cluster.lost_shard() != proto::Cluster::END;
}

// Which process is the primary of each shard and which one its follower, from the first map on, and where there is room
// for more followers. What a map says holds from when all replicas have heard of it (docs/fault_tolerance.md).
// Thread-compatible.
class ShardPlacement {
 public:
  struct Host {
    proto::Role role = proto::SERVER;  // or SPARE
    std::uint32_t index = 0;
    auto operator<=>(const Host&) const = default;
  };
  struct Replica {
    Host host;
    std::string endpoint;  // empty: there is none
  };

  // A shard of server i has its follower, if there are to be replicas, on the server after it, at one of the first
  // endpoints that it has registered for followers. The rest is room.
  void Start(const std::vector<proto::Register>& servers, std::uint32_t replicas);
  // For another scheduler: where the replicas are. Room is not in it, for hosts register theirs again.
  proto::Placement Save() const;
  void Restore(const proto::Placement& placement);
  // A new epoch with the same replicas: whatever else was meant to become one does not.
  void Renew() { ++epoch_; }
  // A spare's, or, after Restore, anyone's. Asked again it changes nothing.
  void AddRoom(const Host& host, const proto::Register& registered);

  std::uint32_t epoch() const { return epoch_; }
  std::uint32_t shards() const { return static_cast<std::uint32_t>(shards_.size()); }
  proto::ShardMap Map() const;
  // The same with a follower that has yet to get everything: for the two alone.
  proto::ShardMap MapWith(std::uint32_t shard, const Replica& follower) const;
  // The same with another primary, that is yet to be made.
  proto::ShardMap MapWithPrimary(std::uint32_t shard, const Replica& primary) const;
  std::set<Host> Hosts() const;  // of all replicas
  std::vector<std::string> Rooms() const;
  const Host& PrimaryOf(std::uint32_t shard) const { return shards_[shard].primary.host; }
  bool HasFollower(std::uint32_t shard) const { return !shards_[shard].follower.endpoint.empty(); }
  const std::string& EndpointOf(std::uint32_t shard) const { return shards_[shard].primary.endpoint; }
  const std::string& FollowerOf(std::uint32_t shard) const { return shards_[shard].follower.endpoint; }
  std::string NameOfShard(std::uint32_t shard) const;  // "shard 2 (server 1 at tcp://…)"

  struct Loss {
    std::vector<std::uint32_t> promoted;  // shards whose follower is their primary now
    std::vector<std::uint32_t> alone;     // shards that have lost their follower
    std::vector<std::uint32_t> gone;      // shards that nobody has any more
  };
  // The process is no longer there. A new epoch.
  Loss Lose(const Host& host);
  // Those that nobody has, until they are restored somewhere.
  const std::set<std::uint32_t>& gone() const { return gone_; }
  // What is made at `room` is the shard's primary. A new epoch, by which workers begin anew with it.
  void Restore(std::uint32_t shard, const Replica& room);

  // Room for a follower of the shard, elsewhere than its primary: on a spare if there is one, else on the server that
  // has the fewest shards. It is taken then.
  std::optional<Replica> TakeRoom(std::uint32_t shard);
  // Nothing came of it. A new epoch, by which nothing is there.
  void GiveBack(const Replica& room);
  // The primary does not hear its follower, though we hear both: it has none from now on, and will have none on that
  // host. A new epoch.
  void DropFollower(std::uint32_t shard);
  // It has everything that the primary has. A new epoch.
  void AddFollower(std::uint32_t shard, const Replica& follower);

 private:
  struct Placed {
    Replica primary, follower;
    std::uint32_t restored = 0;  // the epoch since which it is what a checkpoint had; 0: it never was
  };

  std::uint32_t Load(const Host& host) const;
  bool Apart(const Host& a, const Host& b) const { return apart_.contains({a, b}) || apart_.contains({b, a}); }

  std::uint32_t epoch_ = 1;
  std::vector<Placed> shards_;
  std::set<std::uint32_t> gone_;
  std::vector<Replica> room_;
  std::set<Host> known_;                   // whose room has been added
  std::set<std::pair<Host, Host>> apart_;  // that can not talk to each other
};

}  // namespace sherd
