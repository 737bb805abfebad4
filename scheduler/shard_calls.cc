#include "scheduler/shard_calls.h"

#include <cstdio>
#include <utility>

namespace sherd {

// The deadlines are kept here, one a call; the requester's own is out of the way.
ShardCalls::ShardCalls(Mailbox* mailbox, std::uint64_t job, std::uint32_t term, std::chrono::milliseconds retry_after)
    : mailbox_(mailbox),
      job_(job),
      term_(term),
      requester_(mailbox, {.retry_after = retry_after, .give_up_after = std::chrono::hours(1000)}) {}

Result<Peer> ShardCalls::PeerAt(const std::string& endpoint) {
  const auto known = peers_.find(endpoint);
  if (known != peers_.end()) return known->second;
  ASSIGN_OR_RETURN(Peer peer, mailbox_->Connect(endpoint));
  return peers_.emplace(endpoint, std::move(peer)).first->second;
}

Status ShardCalls::TakeMap(const proto::ShardMap& map) {
  map_epoch_ = map.epoch();
  primaries_.resize(static_cast<std::size_t>(map.endpoint_size()));
  for (std::uint32_t shard = 0; shard < shards(); ++shard) {
    ASSIGN_OR_RETURN(Peer peer, PeerAt(map.endpoint(static_cast<int>(shard))));
    if (!primaries_[shard].empty() && primaries_[shard] != peer) {
      requester_.Redirect(primaries_[shard], peer, [&](proto::Header* header) { header->set_map_epoch(map_epoch_); });
    }
    primaries_[shard] = std::move(peer);
  }
  for (auto& [request, call] : calls_) {
    if (call.shard && held_.contains(*call.shard)) call.deadline = Clock::now() + call.timeout;
  }
  held_.clear();
  return {};
}

void ShardCalls::Send(std::uint32_t shard, Message message, std::string what, Clock::duration timeout, Then then) {
  const std::uint64_t request =
      SendToPeer(primaries_.at(shard), shard, std::move(message), std::move(what), timeout, std::move(then));
  calls_.at(request).shard = shard;
}

Status ShardCalls::SendTo(const std::string& endpoint, std::uint32_t shard, Message message, std::string what,
                          Clock::duration timeout, Then then) {
  ASSIGN_OR_RETURN(const Peer peer, PeerAt(endpoint));
  SendToPeer(peer, shard, std::move(message), std::move(what), timeout, std::move(then));
  return {};
}

std::uint64_t ShardCalls::SendToPeer(const Peer& peer, std::uint32_t shard, Message message, std::string what,
                                     Clock::duration timeout, Then then) {
  proto::Header& header = message.header;
  header.set_job(job_);
  header.set_role(proto::SCHEDULER);
  header.set_index(0);
  header.set_incarnation(term_);
  header.set_map_epoch(map_epoch_);
  header.set_shard(shard);
  const std::uint64_t request = requester_.Send(peer, std::move(message), what);
  calls_.emplace(request, Call{.what = std::move(what),
                               .shard = {},
                               .timeout = timeout,
                               .deadline = Clock::now() + timeout,
                               .then = std::move(then)});
  return request;
}

void ShardCalls::Take(Envelope envelope) {
  std::optional<Requester::Reply> reply = requester_.Match(std::move(envelope));
  if (!reply) return;
  const auto found = calls_.find(reply->request);
  if (found == calls_.end()) return;
  const Call call = std::move(found->second);
  calls_.erase(found);
  const Status status = StatusOf(reply->message.header);
  call.then(status.ok() ? Result<Message>(std::move(reply->message)) : status.Annotate(call.what));
}

Status ShardCalls::Tick(Deadline now) {
  RETURN_IF_ERROR(requester_.Tick());
  for (auto it = calls_.begin(); it != calls_.end();) {
    if (now < it->second.deadline || (it->second.shard && held_.contains(*it->second.shard))) {
      ++it;
      continue;
    }
    const Call call = std::move(it->second);
    calls_.erase(it);
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%g s", std::chrono::duration<double>(call.timeout).count());
    call.then(Status::Unavailable(call.what + ": no answer within " + seconds));
    it = calls_.begin();  // what followed may have sent more
  }
  return {};
}

}  // namespace sherd
