#include "net/seal.h"

#include <utility>

#include "base/hash.h"

namespace sherd {
namespace {

struct Fault {
  proto::StatusCode code;
  std::string text;
};

// Damage on the way is worth another try; a peer that speaks otherwise than we do is not.
std::optional<Fault> FindFault(const WireRules& rules, Checksums checksums, const proto::Header& header,
                               std::span<const Frame> frames) {
  if (header.version() != kWireVersion) {
    return Fault{proto::INVALID, "wire format version " + std::to_string(header.version()) + ", this is version " +
                                     std::to_string(kWireVersion) + ": all ranks must run the same build"};
  }
  if (header.job() != rules.job) return Fault{proto::INVALID, "message of another job"};
  // A reply repeats its request's kind, known or not.
  if (header.kind() == proto::KIND_UNSET && !header.reply()) return Fault{proto::INVALID, "unknown kind of message"};
  if (header.crc().empty() && checksums == Checksums::kNone) return std::nullopt;
  if (static_cast<std::size_t>(header.crc_size()) != frames.size()) {
    return Fault{proto::INVALID,
                 std::to_string(header.crc_size()) + " checksums for " + std::to_string(frames.size()) + " frames"};
  }
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (Crc32c(frames[i].bytes()) != header.crc(static_cast<int>(i))) {
      return Fault{proto::UNAVAILABLE, "frame " + std::to_string(i) + " was damaged on the way"};
    }
  }
  return std::nullopt;
}

}  // namespace

void FillChecksums(Message* message) {
  message->header.clear_crc();
  for (const Frame& frame : message->frames) message->header.add_crc(Crc32c(frame.bytes()));
}

// The fields of two headers, one after the other, are those of one.
Result<std::string_view> Sealer::Seal(const WireRules& rules, Checksums checksums, const Message& message) {
  const proto::Header& header = message.header;
  if (message.frames.size() > kMaxFrames) {
    return Status::Invalid(KindName(header.kind()) + ": " + std::to_string(message.frames.size()) +
                           " frames, at most " + std::to_string(kMaxFrames) + " are taken");
  }
  for (const Frame& frame : message.frames) {
    if (frame.size() > rules.max_frame_bytes) {
      return Status::Invalid(KindName(header.kind()) + ": a frame of " + std::to_string(frame.size()) +
                             " bytes, at most " + std::to_string(rules.max_frame_bytes) + " are taken");
    }
  }
  added_.Clear();
  if (!header.has_version()) added_.set_version(kWireVersion);
  if (!header.has_job()) added_.set_job(rules.job);
  if (checksums == Checksums::kRequired && header.crc().empty()) {
    for (const Frame& frame : message.frames) added_.add_crc(Crc32c(frame.bytes()));
  }
  bytes_.clear();
  if (!header.AppendToString(&bytes_) || !added_.AppendToString(&bytes_) || bytes_.size() > kMaxHeaderBytes) {
    return Status::Invalid(KindName(header.kind()) + ": the header is over a megabyte");
  }
  return std::string_view(bytes_);
}

Opened Open(const WireRules& rules, Checksums checksums, std::span<const std::byte> bytes, Message* message) {
  proto::Header& header = message->header;
  if (bytes.size() > kMaxHeaderBytes || !header.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return {};
  std::optional<Fault> fault = FindFault(rules, checksums, header, message->frames);
  if (!fault) return {.good = true};
  if (!header.has_version() || !header.has_request() || header.reply()) return {};
  return {.good = false, .refusal = MakeReply(header, fault->code, std::move(fault->text))};
}

}  // namespace sherd
