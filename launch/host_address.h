#pragma once

#include <string>

#include "base/status.h"

namespace sherd {

// The IPv4 address that other hosts reach this one by: of the named network interface ("eth0"), or `interface` itself
// when it is an address of this host; without one, what the host name resolves to, or the first interface that is up
// when that is a loopback address.
Result<std::string> HostAddress(const std::string& interface);

}  // namespace sherd
