#include "ps/key_numbering.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace sherd {

void KeyNumbering::Start(std::size_t most) {
  base_ += static_cast<std::uint32_t>(keys_.size());
  keys_.clear();
  const std::size_t size = std::bit_ceil(std::max<std::size_t>(16, 2 * most));
  const bool spent = std::numeric_limits<std::uint32_t>::max() - base_ < most;
  if (size > places_.size() || spent) {
    places_.assign(std::max(size, places_.size()), 0);
    base_ = 1;
  }
  // A small batch uses the front of the array alone, which stays in the cache.
  mask_ = static_cast<std::uint32_t>(size - 1);
  keys_.reserve(most);
}

}  // namespace sherd
