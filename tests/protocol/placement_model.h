#pragma once

#include <cstdint>
#include <optional>

#include "tests/protocol/state.h"

namespace sherd::protocol {

// Decides what the scheduler's own ShardPlacement decides.

struct Lost {
  Placement placement;
  bool gone = false;  // nobody has the shard any more
};
Lost Lose(const Placement& placement, int server);
// The follower is out, though it lives.
Placement Drop(const Placement& placement);
Placement Add(const Placement& placement, int follower);
// A follower that was being made is none.
Placement GiveBack(const Placement& placement, int follower);
Placement Renew(const Placement& placement);
// One of `rooms` (bits), for a new follower; it has to be able to talk to the primary.
std::optional<int> TakeRoom(const Placement& placement, std::uint8_t rooms);

}  // namespace sherd::protocol
