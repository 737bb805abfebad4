// What becomes of a lost server's shards: docs/fault_tolerance.md, "Servers".
#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/manifest.h"
#include "scheduler/scheduler_impl.h"

namespace sherd {
namespace {

constexpr int kCopying = 30;                   // request timeouts that a copy may take
constexpr std::chrono::seconds kJoinAgain{2};  // after an attempt that came to nothing; doubled with each …
constexpr std::uint32_t kDoublings = 5;        // … up to so many times

}  // namespace

Status Scheduler::Impl::LoseSilentServers(Deadline now) {
  std::vector<ShardPlacement::Host> silent;
  for (const std::uint32_t server : membership_.Silent(proto::SERVER, now)) silent.push_back({proto::SERVER, server});
  if (SparesHaveRoom(options_.job.cluster())) {
    for (const std::uint32_t spare : membership_.Silent(proto::SPARE, now)) silent.push_back({proto::SPARE, spare});
  }
  if (silent.empty()) return {};
  const std::string servers = membership_.CheckAlive(now).text();
  for (const ShardPlacement::Host& host : silent) {
    const bool server = host.role == proto::SERVER;
    RETURN_IF_ERROR(LoseServer(host, server ? servers : membership_.Obituary(host.role, host.index)));
  }
  if (joining_.has_value()) GiveUpJoining("a server was lost meanwhile");
  return TellShardsOfMap();
}

// Nobody hears it any more; and before a shard has another primary, no answer of this one counts: it has none without
// its follower, which refuses it from the new map on.
Status Scheduler::Impl::LoseServer(const ShardPlacement::Host& host, const std::string& what) {
  const ShardPlacement::Loss loss = placement_.Lose(host);
  std::erase_if(restoring_, [&](const auto& restoring) { return restoring.second.room.host == host; });
  for (const std::uint32_t shard : loss.gone) {
    if (const Status may = MayRestore(shard); !may.ok()) return may.Annotate(what);
    calls_.Hold(shard);
    room_until_ = Clock::now() + request_timeout_;
  }
  RETURN_IF_ERROR(JournalLost(host.role, host.index, membership_.Expel(host.role, host.index)));
  if (host.role == proto::SERVER) paused_.erase(host.index);
  if (!loss.promoted.empty() || !loss.gone.empty()) {
    coordinator_.LosePrimaries("a server was lost");
    chain_.Break();
  }
  std::string text = what;
  if (options_.job.cluster().replicas() > 1) {
    text += "; " + std::to_string(loss.promoted.size()) + " of its shards go on at their followers, " +
            std::to_string(loss.promoted.size() + loss.alone.size()) + " have none now";
  }
  for (const std::uint32_t shard : loss.gone)
    text += "; shard " + std::to_string(shard) + " goes back to " + RestorePointName();
  observer_->OnMessage(text);
  return {};
}

// Both are alive, as far as we hear, and not to each other. Their shard waits for the one to acknowledge: it can do
// without it, and from the new map on nobody will promote it.
void Scheduler::Impl::HeedLostFollower(const proto::Header& header, const proto::LostFollower& lost) {
  const ShardPlacement::Host primary{header.role(), header.index()};
  if (!welcomed_ || stopping_ || lost.shard() >= placement_.shards()) return;
  // By an older map, or told already.
  if (placement_.PrimaryOf(lost.shard()) != primary || placement_.FollowerOf(lost.shard()) != lost.endpoint()) return;
  placement_.DropFollower(lost.shard());
  freed_.push_back(lost.endpoint());
  observer_->OnMessage("shard " + std::to_string(lost.shard()) + " goes on alone: its follower at " + lost.endpoint() +
                       " does not answer " + membership_.NameOf(primary.role, primary.index));
  if (joining_.has_value()) GiveUpJoining("the map has changed");
  const Status told = TellShardsOfMap();
  if (!told.ok()) Fail(told);
}

// ---- new followers -------------------------------------------------------------------------------------------------

void Scheduler::Impl::AddRoomOfSpares() {
  const std::vector<proto::Register> spares = membership_.Registered(proto::SPARE);
  for (std::uint32_t spare = 0; spare < spares.size(); ++spare)
    placement_.AddRoom({proto::SPARE, spare}, spares[spare]);
}

// One at a time, so that training goes on. Asked again and again.
Status Scheduler::Impl::AddFollowers(Deadline now) {
  if (joining_.has_value() || untold_replicas_ > 0 || now < next_joining_ || !placement_.gone().empty()) return {};
  if (options_.job.cluster().replicas() == 1 || options_.job.checkpoint().dir().empty()) return {};
  for (std::uint32_t shard = 0; shard < placement_.shards(); ++shard) {
    if (placement_.HasFollower(shard)) continue;
    std::optional<ShardPlacement::Replica> room = placement_.TakeRoom(shard);
    if (room.has_value()) return AddFollower(shard, *std::move(room));
  }
  return {};
}

// First it is made, empty; then the primary gives it everything, and answers when it has it.
Status Scheduler::Impl::AddFollower(std::uint32_t shard, ShardPlacement::Replica follower) {
  joining_ = Joining{.shard = shard, .epoch = placement_.epoch(), .follower = std::move(follower)};
  const std::string& endpoint = joining_->follower.endpoint;
  const proto::ShardMap map = placement_.MapWith(shard, joining_->follower);
  const std::string what = "new follower of shard " + std::to_string(shard) + " at " + endpoint;
  const auto copy = [this, shard, map, what, epoch = map.epoch()](const Result<Message>& made) {
    if (!joining_.has_value() || joining_->epoch != epoch) return;
    if (!made.ok()) return Joined(epoch, made.status());
    calls_.Send(shard, MakeControl(proto::SHARD_MAP, map), what, kCopying * request_timeout_,
                [this, epoch](const Result<Message>& answer) { Joined(epoch, answer.status()); });
  };
  return calls_.SendTo(endpoint, shard, MakeControl(proto::SHARD_MAP, map), what, request_timeout_, copy);
}

void Scheduler::Impl::Joined(std::uint32_t epoch, const Status& status) {
  if (!joining_.has_value() || joining_->epoch != epoch) return;
  if (status.ok()) {
    placement_.AddFollower(joining_->shard, joining_->follower);
    observer_->OnMessage("shard " + std::to_string(joining_->shard) + " has a follower again, on " +
                         membership_.NameOf(joining_->follower.host.role, joining_->follower.host.index));
    joining_.reset();
    failed_joinings_ = 0;
  } else {
    GiveUpJoining(status.text());
  }
  const Status told = TellShardsOfMap();
  if (!told.ok()) Fail(told);
}

// What it has got is of no use. By the next map there is nothing at its place, unless its host is lost.
void Scheduler::Impl::GiveUpJoining(const std::string& why) {
  const Joining joining = *std::exchange(joining_, std::nullopt);
  LOG(WARNING) << "shard " << joining.shard << " has no follower yet: " << why;
  next_joining_ = Clock::now() + kJoinAgain * (1 << std::min(failed_joinings_++, kDoublings));
  if (membership_.expelled(joining.follower.host.role, joining.follower.host.index)) return;
  placement_.GiveBack(joining.follower);
  freed_.push_back(joining.follower.endpoint);
}

// What primaries that were lost meanwhile have left behind.
void Scheduler::Impl::RemoveCopies() {
  const std::string& dir = options_.job.checkpoint().dir();
  if (options_.job.cluster().replicas() == 1 || dir.empty()) return;
  const Status removed = RemoveTree(JoinPath(dir, kCopiesFolder));
  LOG_IF(WARNING, !removed.ok()) << removed.text();
}

// All that are left, primaries and followers. What others have not answered is not waited for: a map that leaves them
// out follows. As long as there is a shard that nobody has there is nothing to go by.
Status Scheduler::Impl::TellShardsOfMap() {
  RETURN_IF_ERROR(JournalPlacement());
  const proto::ShardMap map = placement_.Map();
  for (const std::string& endpoint : std::exchange(freed_, {})) {
    RETURN_IF_ERROR(calls_.SendTo(endpoint, 0, MakeControl(proto::SHARD_MAP, map), "map of the shards at " + endpoint,
                                  request_timeout_, [](const Result<Message>&) {}));
  }
  if (!placement_.gone().empty()) return {};
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
