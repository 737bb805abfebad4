#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sherd {

// The beginning of a NumPy file of version 1.0, which the array's bytes follow, row-major: `type` is "<f4" or "<u8",
// say.
std::string NpyHeader(const std::string& type, const std::vector<std::uint64_t>& shape);

}  // namespace sherd
