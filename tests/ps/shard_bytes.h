#pragma once

#include <cstdint>
#include <span>

namespace sherd {

// What a fuzzer's bytes say (tests/net/message_bytes.h), to a shard that is training. CHECKs that it answers what it
// must and goes on serving whoever keeps to the rules.
void RunShardBytes(std::span<const std::uint8_t> bytes);

}  // namespace sherd
