#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "base/hash.h"

namespace sherd {

// Puts values into an order that depends on the seed and their number alone (Fisher and Yates, with hashes for dice).
template <typename T>
void Shuffle(std::uint64_t seed, std::span<T> values) {
  for (std::size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[Below(Mix(seed, i), i)]);
  }
}

}  // namespace sherd
