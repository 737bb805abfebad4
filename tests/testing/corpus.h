#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace sherd {

// Calls `run` with each file of a folder of kept fuzzing inputs, and with so many variants of each: a few bytes
// changed, inserted, taken out or repeated, by a seed, so that the ordinary tests see a little of what the fuzzer
// tries. Returns the number of files.
int RunCorpus(const std::string& folder, int variants, const std::function<void(std::span<const std::uint8_t>)>& run);

}  // namespace sherd
