#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/wire.pb.h"

namespace sherd {

// The longest frame that a network takes, unless its options say less.
inline constexpr std::size_t kMaxFrameBytes = std::size_t{1} << 30;

// Bytes that are sent or were received, kept alive by `owner` for as long as anyone holds the frame. Copying a frame
// copies no bytes, so a request can be kept for a retry while it is being sent. Bytes of a frame never change once it
// is made.
class Frame {
 public:
  Frame() = default;
  // The bytes stay owned by `owner`: a buffer of a pool, a received message.
  Frame(std::span<const std::byte> bytes, std::shared_ptr<const void> owner)
      : bytes_(bytes), owner_(std::move(owner)) {}
  // Takes the string over.
  static Frame Of(std::string bytes);

  std::span<const std::byte> bytes() const { return bytes_; }
  // False: the bytes are there for no longer than their maker says.
  bool owned() const { return owner_ != nullptr; }
  std::size_t size() const { return bytes_.size(); }
  // The frame as an array of T, of count size() / sizeof(T). Received frames may begin at any address where the
  // transport gives no alignment; the mailbox copies those, so that this is always aligned for 8-byte elements.
  template <typename T>
  std::span<const T> As() const {
    return {reinterpret_cast<const T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }

 private:
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
};

struct Message {
  proto::Header header;
  std::vector<Frame> frames;  // after the header
};

// Messages whose memory, that of sections and of the list of frames, is used again. Thread-compatible.
class MessagePool {
 public:
  // An empty one.
  Message Take();
  void Put(Message message);

 private:
  static constexpr std::size_t kMost = 256;  // that are kept

  std::vector<Message> free_;
};

// A control message: its body is its only frame.
Message MakeControl(proto::Kind kind, const google::protobuf::MessageLite& body);
// The body of a control message, or what is wrong with it.
Status ParseBody(const Message& message, google::protobuf::MessageLite* body);

// Makes an empty message the reply to `request`: repeats its kind, request number, job and shard.
void FillReply(const proto::Header& request, proto::StatusCode code, Message* reply);
Message MakeReply(const proto::Header& request, proto::StatusCode code = proto::OK, std::string text = {});
Message MakeReply(const proto::Header& request, const google::protobuf::MessageLite& body);

// "pull", "start epoch": for messages to people.
std::string KindName(proto::Kind kind);

}  // namespace sherd
