#include "tests/net/message_bytes.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "net/pulled_keys.h"
#include "net/seal.h"
#include "net/value_codec.h"

namespace sherd {
namespace {

constexpr std::uint64_t kJob = 7;
constexpr std::uint32_t kGoesOn = 0x8000;

Frame CopyOf(std::span<const std::uint8_t> bytes) {
  return Frame::Of(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

// Whatever a body claims to be, it may come as any kind.
void ReadBodies(const Message& message) {
  const auto read = [&](google::protobuf::MessageLite&& body) { (void)ParseBody(message, &body); };
  read(proto::StartEpoch());
  read(proto::OpenCut());
  read(proto::ShardFile());
  read(proto::LoadCheckpoint());
  read(proto::ShardStatus());
  read(proto::Prune());
  read(proto::Fence());
  read(proto::Fenced());
  read(proto::ChunksDone());
  read(proto::ShardMap());
  read(proto::Register());
  read(proto::Welcome());
  read(proto::Heartbeat());
  read(proto::Command());
  read(proto::NextTask());
  read(proto::Task());
  read(proto::Progress());
  read(proto::EvalResult());
  read(proto::CutPosition());
  read(proto::Failure());
}

// Any bytes give floats.
void DecodeValues(const Message& message) {
  proto::TableSpec table;
  for (const std::uint32_t dim : {1, 5}) table.add_segment()->set_dim(dim);
  const ValueCodec codec = ValueCodec::OfRow(table);
  std::vector<float> values(codec.floats());
  for (const Frame& frame : message.frames) {
    for (const proto::Encoding encoding : {proto::FP32, proto::BF16, proto::INT8}) {
      if (frame.size() >= codec.bytes(encoding)) codec.Decode(encoding, frame.bytes().data(), values.data());
    }
  }
}

void RunMessage(std::vector<Frame> parts, Checksums checksums, PulledKeys* pulled) {
  const Frame header = parts[0];
  parts.erase(parts.begin());
  const std::size_t frames = parts.size();
  Message message;
  message.frames = std::move(parts);
  const Opened opened = Open({.job = kJob, .max_frame_bytes = 1 << 16}, checksums, header.bytes(), &message);
  CHECK(!opened.good || !opened.refusal);
  if (opened.refusal) CHECK(opened.refusal->header.reply() && opened.refusal->header.code() != proto::OK);
  if (!opened.good) return;
  CHECK_EQ(message.header.job(), kJob);
  CHECK_EQ(message.frames.size(), frames);
  CHECK(!KindName(message.header.kind()).empty());
  ReadBodies(message);
  DecodeValues(message);
  (void)MakeReply(message.header);
  if (message.header.kind() != proto::PUSH) return;
  const std::vector<Frame> before = message.frames;
  if (pulled->GiveTo(&message) != PulledKeys::Given::kYes) CHECK_EQ(message.frames.size(), before.size());
  pulled->ForgetUpTo(message.header.keys_of() / 2);
}

}  // namespace

std::vector<std::vector<Frame>> MessagesIn(std::span<const std::uint8_t> bytes) {
  std::vector<std::vector<Frame>> messages;
  bool goes_on = false;
  while (bytes.size() >= 2) {
    const std::uint32_t word = bytes[0] | bytes[1] << 8;
    bytes = bytes.subspan(2);
    const std::size_t size = std::min<std::size_t>(word % kGoesOn, bytes.size());
    if (!goes_on) messages.emplace_back();
    messages.back().push_back(CopyOf(bytes.first(size)));
    bytes = bytes.subspan(size);
    goes_on = word >= kGoesOn;
  }
  return messages;
}

std::vector<std::uint8_t> BytesOf(const std::vector<Message>& messages) {
  std::vector<std::uint8_t> bytes;
  const auto put = [&](std::span<const std::byte> part, bool goes_on) {
    CHECK_LT(part.size(), kGoesOn);
    const auto word = static_cast<std::uint32_t>(part.size()) | (goes_on ? kGoesOn : 0);
    bytes.push_back(static_cast<std::uint8_t>(word));
    bytes.push_back(static_cast<std::uint8_t>(word >> 8));
    for (const std::byte byte : part) bytes.push_back(static_cast<std::uint8_t>(byte));
  };
  Sealer sealer;
  for (const Message& message : messages) {
    const Result<std::string_view> header = sealer.Seal({.job = kJob}, Checksums::kNone, message);
    CHECK(header.ok()) << header.status().text();
    put(std::as_bytes(std::span(*header)), !message.frames.empty());
    for (std::size_t i = 0; i < message.frames.size(); ++i) {
      put(message.frames[i].bytes(), i + 1 < message.frames.size());
    }
  }
  return bytes;
}

void RunMessageBytes(std::span<const std::uint8_t> bytes) {
  PulledKeys pulled;
  for (const std::vector<Frame>& parts : MessagesIn(bytes)) {
    for (const Checksums checksums : {Checksums::kNone, Checksums::kRequired}) RunMessage(parts, checksums, &pulled);
  }
}

}  // namespace sherd
