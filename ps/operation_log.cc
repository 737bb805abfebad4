#include "ps/operation_log.h"

#include <algorithm>
#include <utility>

namespace sherd {
namespace {

std::uint64_t BytesOf(const Message& message) {
  std::uint64_t bytes = 0;
  for (const Frame& frame : message.frames) bytes += frame.size();
  return bytes;
}

}  // namespace

void OperationLog::Begin(Peer follower, std::uint32_t map_epoch) {
  follower_ = std::move(follower);
  map_epoch_ = map_epoch;
  released_ = gates_ = true;
  last_ = bytes_ = 0;
  waiting_.clear();
  looked_at_ = resent_from_ = 0;
}

void OperationLog::BeginLater(Peer follower, std::uint32_t map_epoch) {
  Begin(std::move(follower), map_epoch);
  first_sent_ = released_ = gates_ = false;
}

void OperationLog::SendFirst(std::vector<Envelope>* out) {
  first_sent_ = true;
  out->push_back({.from = follower_, .message = waiting_.front()});
}

void OperationLog::Release(std::vector<Envelope>* out) {
  released_ = true;
  Resend(1, out);
}

std::vector<Envelope> OperationLog::End() {
  follower_.clear();
  waiting_.clear();
  bytes_ = 0;
  std::vector<Envelope> answers;
  for (Held& held : held_) answers.push_back(std::move(held.answer));
  held_.clear();
  return answers;
}

void OperationLog::Append(const Message& request, std::vector<Envelope>* out) {
  if (!replicates()) return;
  Message operation = request;
  proto::Header& header = operation.header;
  // The frames may not be those that came: a push may have been given its keys here. They are checked anew.
  if (header.has_keys_of()) header.clear_crc();
  header.clear_keys_of();
  header.set_operation(header.kind());
  header.set_kind(proto::OPERATION);
  header.set_log(++last_);
  header.set_map_epoch(map_epoch_);
  bytes_ += BytesOf(operation);
  waiting_.push_back(operation);
  if (released_) out->push_back({.from = follower_, .message = std::move(operation)});
}

void OperationLog::Answer(Envelope answer, std::vector<Envelope>* out) {
  if (waiting_.empty() || !gates_) {
    out->push_back(std::move(answer));
  } else {
    held_.push_back({.number = last_, .answer = std::move(answer)});
  }
}

void OperationLog::Acknowledge(std::uint64_t number, std::vector<Envelope>* out) {
  if (number > last_) return;  // of a log before this one
  while (!waiting_.empty() && waiting_.front().header.log() <= number) {
    bytes_ -= BytesOf(waiting_.front());
    waiting_.pop_front();
  }
  while (!held_.empty() && held_.front().number <= number) {
    out->push_back(std::move(held_.front().answer));
    held_.pop_front();
  }
}

void OperationLog::Fail(std::uint64_t number, const std::string& why) {
  for (Held& held : held_) {
    proto::Header& header = held.answer.message.header;
    if (held.number != number || header.kind() != proto::LOAD) continue;
    header.set_code(proto::FAILED);
    header.set_text(why);
  }
}

void OperationLog::Gap(std::uint64_t last, std::vector<Envelope>* out) {
  Acknowledge(last, out);
  if (last + 1 <= resent_from_) return;
  resent_from_ = last + 1;
  Resend(resent_from_, out);
}

void OperationLog::Resend(std::uint64_t number, std::vector<Envelope>* out) {
  for (Message& operation : waiting_) {
    if (operation.header.log() < number) continue;
    out->push_back({.from = follower_, .message = operation});
  }
}

void OperationLog::Repeat(std::vector<Envelope>* out) {
  // It may take its time with the first one, and would get the others again and again.
  if (!released_ && first_sent_ && !waiting_.empty()) return SendFirst(out);
  const std::uint64_t oldest = waiting_.empty() || !released_ ? 0 : waiting_.front().header.log();
  if (oldest != 0 && oldest == looked_at_) Resend(oldest, out);
  looked_at_ = oldest;
}

}  // namespace sherd
