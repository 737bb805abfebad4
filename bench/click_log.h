#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace sherd::bench {

// Writes the first rows of the generated click log (`sherd gen`) as Criteo TSV.
Status WriteClickLog(const std::string& path, std::uint64_t rows);

}  // namespace sherd::bench
