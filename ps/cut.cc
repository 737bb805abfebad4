#include "ps/cut.h"

#include <utility>

namespace sherd {

void Cut::Open(proto::OpenCut plan) {
  Abandon();
  plan_ = std::move(plan);
  open_ = true;
  result_.reset();
}

void Cut::Abandon() {
  open_ = writing_ = false;
  marked_.clear();
}

void Cut::Mark(std::uint32_t number, std::uint32_t worker) {
  if (open_ && number == plan_.cut()) marked_.insert(worker);
}

void Cut::StartWriting() {
  Abandon();
  writing_ = true;
}

void Cut::Finish(Result<proto::ShardFile> file) {
  writing_ = false;
  result_.emplace(std::move(file));
}

void Cut::Await(Envelope request) {
  for (Waiting& waiting : waiting_) {
    if (waiting.request.from != request.from) continue;
    if (waiting.request.message.header.request() == request.message.header.request()) return;
  }
  waiting_.push_back({.request = std::move(request), .number = plan_.cut()});
}

std::optional<Message> Cut::Answer(const proto::Header& request, std::uint32_t number) const {
  const std::string name = "cut " + std::to_string(number);
  if (number == plan_.cut() && (open_ || writing_)) return std::nullopt;
  if (number != plan_.cut() || !result_.has_value()) return MakeReply(request, proto::FAILED, name + " was abandoned");
  if (!result_->ok()) return MakeReply(request, proto::FAILED, name + ": " + result_->status().text());
  return MakeReply(request, result_->value());
}

void Cut::AnswerWaiting(std::vector<Envelope>* replies) {
  std::erase_if(waiting_, [&](Waiting& waiting) {
    std::optional<Message> answer = Answer(waiting.request.message.header, waiting.number);
    if (!answer.has_value()) return false;
    replies->push_back({.from = std::move(waiting.request.from), .message = std::move(*answer)});
    return true;
  });
}

}  // namespace sherd
