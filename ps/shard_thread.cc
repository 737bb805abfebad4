#include "ps/shard_thread.h"

#include <glog/logging.h>
#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <utility>

namespace sherd {
namespace {

// Of the writing of a cut: how long the shard does nothing else, and, while it is asked for rows, the share of a
// core's time for all shards of the process. What has to be saved for the cut's sake makes it
// more, so that there is never more of that than the memory meant for it.
constexpr std::chrono::milliseconds kSlice{2};
constexpr std::chrono::milliseconds kMadeUp{100};   // of what was due before
constexpr std::chrono::milliseconds kQuiet{200};    // nobody asks
constexpr std::chrono::milliseconds kRepeat{500};   // operations that a follower has not acknowledged
constexpr double kShare = 0.2, kWhenUrgent = 0.75;  // pressure from which on the share grows

// Of the calling thread: what the system gave to others in between was no work of ours.
Clock::duration ThreadTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

double ShareOf(double pressure, std::uint32_t shards) {
  const double least = kShare / shards, urgency = (pressure - kWhenUrgent) / (1 - kWhenUrgent);
  return std::clamp(least + (1 - least) * urgency, least, 1.0);
}

}  // namespace

void ShardThread::Start(Mailbox* server) {
  thread_ = std::thread([this, server] {
    pthread_setname_np(pthread_self(), "shard");
    Run(server);
    done_ = true;
    server->Wake();
  });
}

void ShardThread::Stop() {
  stop_ = true;
  mailbox_->Wake();
  if (thread_.joinable()) thread_.join();
}

void ShardThread::Run(Mailbox* server) {
  constexpr std::chrono::seconds kLook{1};
  while (!stop_ && (shard_ == nullptr || !shard_->stopped())) {
    const bool writes = shard_ != nullptr && shard_->writing() && shard_->ready();
    const bool lags = shard_ != nullptr && shard_->lags();
    const Deadline look = Clock::now() + (lags ? Clock::duration(kRepeat) : Clock::duration(kLook));
    std::optional<Envelope> request = mailbox_->Receive(writes ? next_slice_ : look);
    const bool received = request.has_value();
    if (received) {
      if (request->message.header.reply()) heard_follower_ = Clock::now();
      Handle(*std::move(request));
      last_request_ = Clock::now();
    }
    if (shard_ == nullptr) continue;
    if (received || lags) NoteTroubles(server);
    if (shard_->lags() && Clock::now() >= next_repeat_) {
      for (const Envelope& operation : shard_->Repeat()) Send(operation);
      next_repeat_ = Clock::now() + kRepeat;
    }
    // Who was woken hears of it now: the disk has room, or the file is there.
    if (shard_->writing() && (!received || Clock::now() >= next_slice_)) WriteCut();
  }
}

void ShardThread::Handle(Envelope request) {
  const proto::Header& header = request.message.header;
  // What a primary repeats to its follower has been done, whoever asked for it.
  const bool ordered = !header.reply() && header.role() == proto::SCHEDULER && header.kind() != proto::OPERATION;
  if (ordered && header.incarnation() < term_) {
    return Send({request.from, MakeReply(header, proto::STALE, "another scheduler has taken the job over")});
  }
  if (shard_ == nullptr) HandleIdle(request);
  if (shard_ == nullptr) return;
  std::vector<Envelope> replies = shard_->Handle(std::move(request));
  for (Envelope& reply : replies) {
    Send(reply);
    mailbox_->pool().Put(std::move(reply.message));  // for the next request
  }
  shard_->Reuse(std::move(replies));
  if (!shard_->given_up() || !make_) return;
  LOG(INFO) << name_ << ": is others' now";
  newest_map_ = std::max(newest_map_, shard_->map_epoch());
  shard_ = nullptr;
  idle_ = true;
}

// A map may bring a shard here, which then handles it itself.
void ShardThread::HandleIdle(const Envelope& request) {
  const proto::Header& header = request.message.header;
  if (header.reply()) return;
  if (header.kind() != proto::SHARD_MAP) {
    return Send({request.from, MakeReply(header, proto::MAP_CHANGED, "no shard is here")});
  }
  proto::ShardMap map;
  const Status parsed = ParseBody(request.message, &map);
  if (!parsed.ok()) return Send({request.from, MakeReply(header, proto::INVALID, parsed.text())});
  // A late copy of an older one would make an empty shard in the place of one that is others' now.
  if (map.epoch() < newest_map_) return Send({request.from, MakeReply(header)});
  newest_map_ = map.epoch();
  Result<std::unique_ptr<Shard>> made = make_(map);
  if (!made.ok()) return Send({request.from, MakeReply(header, proto::FAILED, name_ + ": " + made.status().text())});
  shard_ = std::move(made).value();
  idle_ = shard_ == nullptr;
  if (idle_) Send({request.from, MakeReply(header)});
}

// Each slice pays for its time by a wait, counted from when it was due: a thread that was kept waiting makes up for it,
// though not for more than a moment.
void ShardThread::WriteCut() {
  const Deadline begin = Clock::now();
  const Clock::duration before = ThreadTime();
  for (const Envelope& reply : shard_->Work(begin + kSlice)) Send(reply);
  if (begin - last_request_ > kQuiet) {
    next_slice_ = begin;
    return;
  }
  const double wait = 1 / ShareOf(shard_->pressure(), shards_);
  next_slice_ = std::max(next_slice_, begin - kMadeUp);
  next_slice_ += std::chrono::duration_cast<Clock::duration>((ThreadTime() - before) * wait);
}

void ShardThread::NoteTroubles(Mailbox* server) {
  const std::string follower = SilentFollower();
  if (shard_->full().empty() && shard_->paused().empty() && follower.empty() && untroubled_) return;
  const auto named = [&](const std::string& text) { return text.empty() ? "" : name_ + ": " + text; };
  Troubles now{.full = named(shard_->full()),
               .paused = named(shard_->paused()),
               .unfollowed = follower.empty() ? 0 : shard_->store().shard(),
               .follower = follower};
  std::lock_guard lock(mutex_);
  untroubled_ = now == Troubles();
  const bool new_text = now.full.empty() != troubles_.full.empty() || now.paused.empty() != troubles_.paused.empty();
  if (!new_text && now.follower == troubles_.follower) return;
  troubles_ = std::move(now);
  server->Wake();
}

std::string ShardThread::SilentFollower() {
  const std::string awaited = shard_->AwaitedFollower();
  if (awaited.empty() || !awaits_follower_) heard_follower_ = Clock::now();
  awaits_follower_ = !awaited.empty();
  return Clock::now() - heard_follower_ > follower_patience_ ? awaited : std::string();
}

void ShardThread::Send(const Envelope& reply) {
  Status status = mailbox_->Send(reply.from, reply.message);
  if (status.ok()) return;
  LOG(WARNING) << name_ << ": " << status.text();
  // Whoever is gone, or so slow that its queue is full, asks again. An answer that can never be sent would leave its
  // requester waiting for nothing.
  if (status.code() != ErrorCode::kInvalid) return;
  status = mailbox_->Send(reply.from, MakeReply(reply.message.header, proto::FAILED, name_ + ": " + status.text()));
  LOG_IF(WARNING, !status.ok()) << name_ << ": " << status.text();
}

}  // namespace sherd
