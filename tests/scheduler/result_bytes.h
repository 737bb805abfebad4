#pragma once

#include <cstdint>
#include <span>

namespace sherd {

// What a fuzzer's bytes say (tests/net/message_bytes.h), as results of evaluated and of predicted chunks. CHECKs that
// the frames of those that are taken fit one another.
void RunResultBytes(std::span<const std::uint8_t> bytes);

}  // namespace sherd
