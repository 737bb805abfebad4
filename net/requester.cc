#include "net/requester.h"

#include <algorithm>
#include <utility>

namespace sherd {
namespace {

std::string Seconds(std::chrono::milliseconds time) {
  const auto tenths = time.count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

}  // namespace

std::uint64_t Requester::Send(const Peer& to, Message message, std::string what) {
  const std::uint64_t request = ++last_request_;
  message.header.set_request(request);
  const Deadline now = Clock::now();
  Waiting& waiting = Add(request);
  waiting.to = to;
  waiting.message = std::move(message);
  waiting.what = std::move(what);
  waiting.first_sent = waiting.due = now;
  waiting.trouble = {};
  SendNow(&waiting);
  return request;
}

Requester::Waiting& Requester::Add(std::uint64_t request) {
  if (spare_.empty()) return waiting_[request];
  Requests::node_type node = std::move(spare_.back());
  spare_.pop_back();
  node.key() = request;
  return waiting_.insert(std::move(node)).position->second;
}

void Requester::Drop(Requests::iterator waiting) {
  mailbox_->pool().Put(std::move(waiting->second.message));
  spare_.push_back(waiting_.extract(waiting));
}

std::string Requester::What(const Waiting& waiting) const {
  return waiting.what.empty() && describe_ ? describe_(waiting.message.header) : waiting.what;
}

void Requester::SendNow(Waiting* waiting) {
  waiting->due = Clock::now() + options_.retry_after;
  waiting->refused = false;
  Status status = mailbox_->Send(waiting->to, waiting->message);
  if (!status.ok()) waiting->trouble = std::move(status);
}

std::optional<Requester::Reply> Requester::Match(Envelope envelope) {
  const proto::Header& header = envelope.message.header;
  if (!header.reply()) return std::nullopt;
  const auto found = waiting_.find(header.request());
  if (found == waiting_.end()) return std::nullopt;
  Waiting& waiting = found->second;
  if (envelope.from != waiting.to || header.kind() != waiting.message.header.kind()) return std::nullopt;
  if (header.code() == proto::UNAVAILABLE || header.code() == proto::OUT_OF_ORDER ||
      header.code() == proto::MAP_CHANGED) {
    waiting.trouble = StatusOf(header);
    waiting.refused = true;
    Hasten(waiting, header);
    return std::nullopt;
  }
  HastenBehind(waiting);
  Drop(found);
  const std::uint64_t request = header.request();
  return Reply{request, std::move(envelope.from), std::move(envelope.message)};
}

const Message* Requester::Find(const Envelope& answer) const {
  const auto found = waiting_.find(answer.message.header.request());
  const bool ours = answer.message.header.reply() && found != waiting_.end() && found->second.to == answer.from;
  return ours ? &found->second.message : nullptr;
}

void Requester::Replace(std::uint64_t request, Message message) {
  Waiting& waiting = waiting_.at(request);
  message.header.set_request(request);
  waiting.message = std::move(message);
  SendNow(&waiting);
}

void Requester::Redirect(const Peer& from, const Peer& to, const std::function<void(proto::Header*)>& change) {
  for (auto& [request, waiting] : waiting_) {
    if (waiting.to != from) continue;
    waiting.to = to;
    waiting.due = Deadline();
    change(&waiting.message.header);
  }
}

void Requester::Forget(const Peer& peer) {
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const auto waiting = it++;
    if (waiting->second.to == peer) Drop(waiting);
  }
}

// A peer that asks for a message again need not wait for the whole of retry_after. After a gap everything from the
// missing number on was dropped there, so all of it is due, in order.
void Requester::Hasten(const Waiting& refused, const proto::Header& reply) {
  const Deadline soon = Clock::now() + options_.retry_after / 10;
  const auto& ours = refused.message.header;
  for (auto& [request, waiting] : waiting_) {
    const auto& header = waiting.message.header;
    const bool missing = reply.code() == proto::OUT_OF_ORDER && waiting.to == refused.to &&
                         header.shard() == ours.shard() && header.sequence() >= reply.sequence();
    if (missing || &waiting == &refused) waiting.due = std::min(waiting.due, soon);
  }
}

// What was refused for the want of a message that has been taken need not wait any more. Otherwise each of them might
// come just before the one that it waits for, and a peer take one in each retry.
void Requester::HastenBehind(const Waiting& taken) {
  const auto& first = taken.message.header;
  if (first.sequence() == 0) return;
  for (auto& [request, waiting] : waiting_) {
    if (!waiting.refused || waiting.to != taken.to) continue;
    const auto& header = waiting.message.header;
    if (header.shard() == first.shard() && header.sequence() > first.sequence()) waiting.due = Deadline();
  }
}

Status Requester::Tick() {
  const Deadline now = Clock::now();
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    Waiting& waiting = it->second;
    const bool hopeless = !waiting.trouble.ok() && waiting.trouble.code() == ErrorCode::kInvalid;
    if (hopeless || now >= waiting.first_sent + options_.give_up_after) {
      const Status status = hopeless ? waiting.trouble.Annotate(What(waiting)) : GivenUp(waiting);
      Drop(it);
      return status;
    }
    if (now >= waiting.due) SendNow(&waiting);
  }
  return {};
}

Status Requester::GivenUp(const Waiting& waiting) const {
  std::string text = What(waiting) + ": no answer within " + Seconds(options_.give_up_after);
  if (!waiting.trouble.ok()) text += " (" + waiting.trouble.text() + ")";
  return Status::Unavailable(std::move(text));
}

Deadline Requester::next_tick() const {
  Deadline next = Deadline::max();
  for (const auto& [request, waiting] : waiting_) {
    const bool hopeless = !waiting.trouble.ok() && waiting.trouble.code() == ErrorCode::kInvalid;
    next = std::min({next, hopeless ? waiting.first_sent : waiting.due, waiting.first_sent + options_.give_up_after});
  }
  return next;
}

Result<Message> Requester::Call(const Peer& to, Message message, std::string what) {
  const std::uint64_t request = Send(to, std::move(message), what);
  bool woken = false;
  const auto call = [&]() -> Result<Message> {
    while (true) {
      RETURN_IF_ERROR(Tick());
      const Deadline deadline = next_tick();
      std::optional<Envelope> envelope = mailbox_->Receive(deadline);
      if (!envelope) {
        woken |= Clock::now() < deadline;
        continue;
      }
      std::optional<Reply> reply = Match(std::move(*envelope));
      if (!reply || reply->request != request) continue;
      const Status status = StatusOf(reply->message.header);
      if (!status.ok()) return status.Annotate(what);
      return std::move(reply->message);
    }
  };
  Result<Message> result = call();
  waiting_.erase(request);
  if (woken) mailbox_->Wake();  // it was meant for the owner
  return result;
}

Status StatusOf(const proto::Header& reply) {
  if (reply.code() == proto::OK) return {};
  const std::string text = reply.text().empty() ? KindName(reply.kind()) + " was refused" : reply.text();
  switch (reply.code()) {
    case proto::OK:
      return {};
    case proto::INVALID:
      return Status::Invalid(text);
    case proto::STALE:
      return Status::Unavailable("stale: " + text);
    case proto::OUT_OF_ORDER:
      return Status::Unavailable("out of order: " + text);
    case proto::FAILED:  // by the peer's system, not by ours, which is what kIo says
      return Status::BadData(text);
    case proto::UNAVAILABLE:
    case proto::KEYS_UNKNOWN:
    case proto::MAP_CHANGED:
      return Status::Unavailable(text);
  }
  return Status::Invalid(text);
}

}  // namespace sherd
