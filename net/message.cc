#include "net/message.h"

#include <algorithm>
#include <utility>

namespace sherd {

Frame Frame::Of(std::string bytes) {
  auto owner = std::make_shared<const std::string>(std::move(bytes));
  const auto view = std::as_bytes(std::span(*owner));
  return Frame(view, std::move(owner));
}

Message MakeControl(proto::Kind kind, const google::protobuf::MessageLite& body) {
  Message message;
  message.header.set_kind(kind);
  message.frames.push_back(Frame::Of(body.SerializeAsString()));
  return message;
}

Status ParseBody(const Message& message, google::protobuf::MessageLite* body) {
  const std::string kind = KindName(message.header.kind());
  if (message.frames.size() != 1) {
    return Status::Invalid(kind + ": one frame expected, the body, but " + std::to_string(message.frames.size()) +
                           " came");
  }
  const auto bytes = message.frames[0].bytes();
  if (!body->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Status::Invalid(kind + ": the body is not a " + body->GetTypeName());
  }
  return {};
}

Message MessagePool::Take() {
  if (free_.empty()) return {};
  Message message = std::move(free_.back());
  free_.pop_back();
  return message;
}

void MessagePool::Put(Message message) {
  message.header.Clear();
  message.frames.clear();
  if (free_.size() < kMost) free_.push_back(std::move(message));
}

void FillReply(const proto::Header& request, proto::StatusCode code, Message* reply) {
  reply->header.set_kind(request.kind());
  reply->header.set_reply(true);
  reply->header.set_job(request.job());
  reply->header.set_request(request.request());
  reply->header.set_shard(request.shard());
  reply->header.set_code(code);
}

Message MakeReply(const proto::Header& request, proto::StatusCode code, std::string text) {
  Message reply;
  FillReply(request, code, &reply);
  if (!text.empty()) reply.header.set_text(std::move(text));
  return reply;
}

Message MakeReply(const proto::Header& request, const google::protobuf::MessageLite& body) {
  Message reply = MakeReply(request);
  reply.frames.push_back(Frame::Of(body.SerializeAsString()));
  return reply;
}

std::string KindName(proto::Kind kind) {
  std::string name = proto::Kind_Name(kind);
  if (name.empty()) return "kind " + std::to_string(kind);
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c == '_' ? ' ' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return name;
}

}  // namespace sherd
