#pragma once

#include <cstdint>
#include <string_view>

namespace sherd {

// Behind the ends that are asked for as many more may be written.
inline constexpr int kFieldEndsSlack = 64;

// Where the fields of a line end: at each delimiter, and at the line's end. Returns how many fields there are; `ends`,
// which has room for most + kFieldEndsSlack, holds those of the first `most`.
int FindFieldEnds(std::string_view line, char delimiter, int most, std::uint32_t* ends);

}  // namespace sherd
