#pragma once

#include <ostream>
#include <span>
#include <string>

#include "base/status.h"

namespace sherd {

// `sherd keygen FILE`: a new key file.
Status RunKeygen(std::span<const std::string> words, std::ostream& out);

}  // namespace sherd
