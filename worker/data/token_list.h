#pragma once

#include <string_view>

namespace sherd {

// Calls `take` with each token of a list. Empty tokens are left out; with none left there is the empty token, once.
template <typename Take>
void ForEachToken(std::string_view text, std::string_view separator, const Take& take) {
  bool any = false;
  for (;;) {
    const std::size_t end = text.find(separator);
    const std::string_view token = text.substr(0, end);
    if (!token.empty()) {
      take(token);
      any = true;
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + separator.size());
  }
  if (!any) take(std::string_view());
}

}  // namespace sherd
