#include "ps/shard_thread.h"

#include <glog/logging.h>

#include <utility>

namespace sherd {

void ShardThread::Start(Mailbox* server) {
  thread_ = std::thread([this, server] {
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
  while (!stop_ && !shard_->stopped()) {
    std::optional<Envelope> request = mailbox_->Receive(Clock::now() + kLook);
    if (!request.has_value() || request->message.header.reply()) continue;
    for (Envelope& reply : shard_->Handle(std::move(*request))) Send(std::move(reply));
    NoteTroubles(server);
  }
}

void ShardThread::NoteTroubles(Mailbox* server) {
  if (shard_->full().empty() && shard_->paused().empty() && untroubled_) return;
  const auto named = [&](const std::string& text) { return text.empty() ? "" : name_ + ": " + text; };
  Troubles now{.full = named(shard_->full()), .paused = named(shard_->paused())};
  std::lock_guard lock(mutex_);
  untroubled_ = now == Troubles();
  if (now.full.empty() == troubles_.full.empty() && now.paused.empty() == troubles_.paused.empty()) return;
  troubles_ = std::move(now);
  server->Wake();
}

void ShardThread::Send(Envelope reply) {
  Message failure = MakeReply(reply.message.header, proto::FAILED);
  Status status = mailbox_->Send(reply.from, std::move(reply.message));
  if (status.ok()) return;
  LOG(WARNING) << name_ << ": " << status.text();
  // Whoever is gone, or so slow that its queue is full, asks again. An answer that can never be sent would leave its
  // requester waiting for nothing.
  if (status.code() != ErrorCode::kInvalid) return;
  failure.header.set_text(name_ + ": " + status.text());
  status = mailbox_->Send(reply.from, std::move(failure));
  LOG_IF(WARNING, !status.ok()) << name_ << ": " << status.text();
}

}  // namespace sherd
