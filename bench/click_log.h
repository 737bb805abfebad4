#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace sherd::bench {

// Writes a click log of Criteo's shape: label, 13 integers, 26 tokens of Zipf's law. A row is a function of its number;
// some tokens raise the chance of a click, so that there is something to learn.
Status WriteClickLog(const std::string& path, std::uint64_t rows);

}  // namespace sherd::bench
