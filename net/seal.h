#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/message.h"

namespace sherd {

// What every transport does alike with a message on its way out and in: docs/wire_format.md, "Transports and security".

inline constexpr std::uint32_t kWireVersion = 6;
inline constexpr std::size_t kMaxFrames = 4096;          // of one message
inline constexpr std::size_t kMaxHeaderBytes = 1 << 20;  // of a serialized header

enum class Checksums {
  kNone,      // the transport is memory: neither made nor asked for; those that are there are checked
  kRequired,  // made where the sender did not, and refused when absent
};

// The rules of one mailbox. Immutable.
struct WireRules {
  std::uint64_t job = 0;
  std::size_t max_frame_bytes = kMaxFrameBytes;
};

// The checksum of each frame, as the header carries them: by Seal, where they are not there yet.
void FillChecksums(Message* message);

// Makes frame 0 of messages, in memory that it uses again. Thread-compatible.
class Sealer {
 public:
  // The message's header, with version, job and checksums where it has none; valid until the next call. Invalid: a
  // frame, the header or their number is over the limits, so that no receiver would take the message.
  Result<std::string_view> Seal(const WireRules& rules, Checksums checksums, const Message& message);

 private:
  std::string bytes_;
  proto::Header added_;
};

// A received message, of which the frames are there and the header is in bytes: either it may be handed on, or
// `refusal` is the answer to give, if the header can be answered at all.
struct Opened {
  bool good = false;
  std::optional<Message> refusal = {};
};
Opened Open(const WireRules& rules, Checksums checksums, std::span<const std::byte> header, Message* message);

}  // namespace sherd
