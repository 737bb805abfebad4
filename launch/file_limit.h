#pragma once

#include <cstdint>

namespace sherd {

// Lets this process have as many descriptors as the system allows it: the usual soft limit of 1024 is there for
// programs that use select, and strangers who only connect could use it up within the ten seconds that a handshake may
// take. Returns the limit.
std::uint64_t RaiseFileLimit();

}  // namespace sherd
