#pragma once

#include <algorithm>
#include <string_view>

namespace sherd {

// The next word of `rest`, between blanks and TABs; `rest` moves on behind it. Empty at the end.
inline std::string_view NextWord(std::string_view* rest) {
  constexpr std::string_view kBlanks = " \t";
  const std::size_t begin = rest->find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return *rest = {};
  const std::size_t end = std::min(rest->find_first_of(kBlanks, begin), rest->size());
  const std::string_view word = rest->substr(begin, end - begin);
  rest->remove_prefix(end);
  return word;
}

}  // namespace sherd
