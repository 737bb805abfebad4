#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sherd {

// "0 B", "999 B", "1.7 GiB": for people.
std::string BytesText(std::uint64_t bytes);

// "8G", "1.5G", "512M", "64k" or "8GiB", in steps of 1024, or plain bytes. Nothing: it is none of these, or more than
// 64 bits hold.
std::optional<std::uint64_t> ParseBytes(const std::string& text);

}  // namespace sherd
