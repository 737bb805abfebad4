// A shard and its follower: docs/fault_tolerance.md, "Servers".
#include <algorithm>
#include <iterator>
#include <utility>

#include "ps/shard.h"

namespace sherd {

void Shard::HandleShardMap(const Envelope& request) {
  proto::ShardMap map;
  Status status = ParseBody(request.message, &map);
  if (status.ok() && static_cast<std::uint32_t>(map.endpoint_size()) <= options_.shard) {
    status = Status::Invalid("shard map: it has no shard " + std::to_string(options_.shard));
  }
  const int shard = static_cast<int>(options_.shard);
  if (status.ok() && map.epoch() == map_epoch_ && map.endpoint(shard) == options_.endpoint &&
      shard < map.follower_size() && !map.follower(shard).empty() && map.follower(shard) != follower_endpoint_) {
    return Join(request, map.follower(shard));
  }
  // One that was sent before the last one, or is it, says nothing new: by a late copy of it a primary that has been
  // given a new follower since would do without.
  if (status.ok() && map.epoch() > map_epoch_) status = TakeMap(map);
  if (!status.ok()) return Refuse(request, proto::INVALID, status.text());
  replies_.push_back({.from = request.from, .message = MakeReply(request.message.header)});
}

Status Shard::TakeMap(const proto::ShardMap& map) {
  if (map.epoch() < map_epoch_) return {};
  const int shard = static_cast<int>(options_.shard);
  const std::string follower = shard < map.follower_size() ? map.follower(shard) : "";
  const bool primary = map.endpoint(shard) == options_.endpoint;
  const bool follows = !primary && !follower.empty() && follower == options_.endpoint;
  if ((primary || follows) && part_ == Part::kNone) {
    return Status::Invalid("map " + std::to_string(map.epoch()) + ": what is here of shard " + std::to_string(shard) +
                           " is too old, the shard was another's meanwhile");
  }
  if (map.epoch() > map_epoch_ && joining_.has_value()) EndJoining(Status::Unavailable("the map has changed"));
  if (primary) {
    if (follower != follower_endpoint_) RETURN_IF_ERROR(Follow(follower, map.epoch()));
    if (part_ != Part::kPrimary) BecomePrimary();
  } else if (follows) {
    part_ = Part::kFollower;
  } else if (part_ != Part::kNone) {
    BecomeNothing();
  }
  map_epoch_ = map.epoch();
  return {};
}

// Another one, or none: then what was to wait for it need not.
Status Shard::Follow(const std::string& follower, std::uint32_t map_epoch) {
  Peer peer;
  if (!follower.empty()) {
    if (!options_.connect) return Status::Invalid("this shard can have no follower");
    ASSIGN_OR_RETURN(peer, options_.connect(follower));
  }
  std::ranges::move(log_.End(), std::back_inserter(replies_));
  follower_endpoint_ = follower;
  follower_trouble_.clear();
  if (!follower.empty()) log_.Begin(std::move(peer), map_epoch);
  return {};
}

// Of what it was told it has done everything; it only did not write checkpoints, so the next one is full.
void Shard::BecomePrimary() {
  part_ = Part::kPrimary;
  tracked_since_ = 0;
}

// Another one has the shard. Whoever waits here asks there.
void Shard::BecomeNothing() {
  part_ = Part::kNone;
  joining_.reset();
  (void)log_.End();
  follower_endpoint_.clear();
  follower_trouble_.clear();
  pulls_.clear();
  writer_ = nullptr;
  cut_.Abandon();
  cut_.AnswerWaiting(&replies_);
}

void Shard::RefuseByMap(const Envelope& request) {
  const proto::Header& header = request.message.header;
  const std::string map = "map " + std::to_string(header.map_epoch()) + ", this is map " + std::to_string(map_epoch_);
  const std::string name = "shard " + std::to_string(options_.shard);
  Message reply = MakeReply(header, proto::MAP_CHANGED,
                            part_ == Part::kPrimary ? name + " by " + map : "this is not the primary of " + name);
  reply.header.set_map_epoch(map_epoch_);
  Reply(request, std::move(reply));
}

// ---- the follower --------------------------------------------------------------------------------------------------

void Shard::HandleOperation(Envelope request) {
  if (part_ != Part::kFollower || request.message.header.shard() != options_.shard) return RefuseByMap(request);
  const std::uint32_t log = request.message.header.map_epoch();
  const std::uint64_t number = request.message.header.log();
  if (log < redone_log_) return;  // of one that is over: it may have been long on its way
  if (log > redone_log_) {
    redone_log_ = log;
    redone_ = 0;
  }
  const Peer primary = request.from;
  Message reply = MakeReply(request.message.header);
  if (number == redone_ + 1) {
    const proto::Header operation = request.message.header;
    Redo(std::move(request));
    if (Redone(operation)) ++redone_;
    if (redo_answer_.has_value() && redo_answer_->header.code() != proto::OK) {
      reply.header.set_code(redone_ == number ? proto::FAILED : proto::UNAVAILABLE);
      reply.header.set_text(redo_answer_->header.text());
    }
  } else if (number > redone_) {
    reply.header.set_code(proto::OUT_OF_ORDER);
  }
  reply.header.set_log(redone_);
  reply.header.set_map_epoch(redone_log_);
  replies_.push_back({.from = primary, .message = std::move(reply)});
}

// As the primary did it, and in its order. Answers go nowhere.
void Shard::Redo(Envelope request) {
  proto::Header& header = request.message.header;
  redo_answer_.reset();
  request.from.clear();
  header.set_kind(header.operation());
  header.clear_operation();
  header.clear_log();
  switch (header.kind()) {
    case proto::PULL:
      (void)StreamOf(request);
      return;
    case proto::PUSH:
    case proto::RETIRE:
    case proto::MARK:
    case proto::RESTART:
      if (header.index() >= kMostWorkers) return Refuse(request, proto::INVALID, "no such worker");
      if (Stream* const stream = StreamOf(request)) HandleOrdered(std::move(request), stream);
      return;
    default:
      HandleRequest(std::move(request));
  }
}

// What comes in order is done when its number has been taken. Everything else changes what it can.
bool Shard::Redone(const proto::Header& operation) {
  const proto::Kind kind = operation.operation();
  if (kind != proto::PUSH && kind != proto::RETIRE && kind != proto::MARK && kind != proto::RESTART) return true;
  const auto stream = streams_.find(operation.index());
  return stream != streams_.end() && stream->second.incarnation == operation.incarnation() &&
         stream->second.next > operation.sequence();
}

// ---- the primary ---------------------------------------------------------------------------------------------------

void Shard::HandleAcknowledgement(const Envelope& answer) {
  const proto::Header& header = answer.message.header;
  if (header.kind() != proto::OPERATION || !log_.replicates() || answer.from != log_.follower()) return;
  if (header.code() == proto::MAP_CHANGED) {
    // It is a primary itself, or others' follower: by a newer map this shard is not ours. By an older one it has not
    // heard yet that it is to follow.
    if (header.map_epoch() <= map_epoch_) return;
    map_epoch_ = header.map_epoch();
    return BecomeNothing();
  }
  if (header.map_epoch() != log_.map_epoch()) return;  // of one before this
  switch (header.code()) {
    case proto::OUT_OF_ORDER:
      return log_.Gap(header.log(), &replies_);
    case proto::UNAVAILABLE:
      follower_trouble_ = "its follower: " + header.text();
      log_.Acknowledge(header.log(), &replies_);
      return;
    case proto::FAILED: {
      const std::string why = "its follower: " + header.text();
      if (joining_.has_value()) return EndJoining({ErrorCode::kIo, why});
      log_.Fail(header.log(), why);
      if (last_load_.has_value()) last_load_->reply = MakeReply(last_load_->reply.header, proto::FAILED, why);
      break;
    }
    default:
      follower_trouble_.clear();
  }
  log_.Acknowledge(header.log(), &replies_);
  HasAcknowledged(header.log());
}

std::vector<Envelope> Shard::Repeat() {
  log_.Repeat(&replies_);
  return std::exchange(replies_, {});
}

}  // namespace sherd
