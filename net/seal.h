#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "net/message.h"

namespace sherd {

// What every transport does alike with a message on its way out and in: docs/wire_format.md, "Transports and security".

inline constexpr std::uint32_t kWireVersion = 4;
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

// Fills in version and job, where they are not set, and checksums, and returns frame 0. Invalid: a frame, the header or
// their number is over the limits, so that no receiver would take the message.
Result<std::string> Seal(const WireRules& rules, Checksums checksums, Message* message);

// A received message: either one that may be handed on, or what is wrong with it; then `refusal` is the answer to give,
// if the header can be answered at all.
struct Opened {
  std::optional<Message> message;
  std::optional<Message> refusal;
};
Opened Open(const WireRules& rules, Checksums checksums, std::span<const std::byte> header, std::vector<Frame> frames);

// The checksum of each frame, as the header carries them.
void FillChecksums(Message* message);

}  // namespace sherd
