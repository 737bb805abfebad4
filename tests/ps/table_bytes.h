#pragma once

#include <cstdint>
#include <span>

#include "base/status.h"

namespace sherd {

// What a fuzzer's bytes say, done to a table and its model: the kind of table, then operations until they are used up.
// An error is the first difference.
Status RunTableBytes(std::span<const std::uint8_t> bytes);

}  // namespace sherd
