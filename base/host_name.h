#pragma once

#include <string>

namespace sherd {

// Of this host, as people and manifests know it.
std::string HostName();

}  // namespace sherd
