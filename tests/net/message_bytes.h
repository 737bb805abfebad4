#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "net/message.h"

namespace sherd {

// A fuzzer's bytes as multipart messages, as a peer might send them: each part is preceded by two bytes, its length and
// above it a bit that says that its message goes on with another one.
std::vector<std::vector<Frame>> MessagesIn(std::span<const std::uint8_t> bytes);
// The bytes of messages.
std::vector<std::uint8_t> BytesOf(const std::vector<Message>& messages);

// Does with each message what a mailbox and whoever reads a control message's body does. CHECKs what must hold of those
// that are not refused.
void RunMessageBytes(std::span<const std::uint8_t> bytes);

}  // namespace sherd
