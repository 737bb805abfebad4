#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/hash.h"

namespace sherd {

// Numbers the distinct keys of a batch 0, 1, 2 … in the order of first sight: finds a key that comes twice, and gathers
// what several workers sent for one key. Starting anew costs nothing, and no memory is asked for once it has grown to
// the size of the batches. Thread-compatible.
class KeyNumbering {
 public:
  // Forgets all keys; up to `most` distinct ones may follow.
  void Start(std::size_t most);
  // The key's number; a new one's is size() before the call.
  std::uint32_t Number(Key key) {
    std::uint32_t i = static_cast<std::uint32_t>(Mix(key)) & mask_;
    while (places_[i] >= base_ && keys_[places_[i] - base_] != key) i = (i + 1) & mask_;
    if (places_[i] >= base_) return places_[i] - base_;
    places_[i] = base_ + static_cast<std::uint32_t>(keys_.size());
    keys_.push_back(key);
    return static_cast<std::uint32_t>(keys_.size() - 1);
  }
  // By number.
  std::span<const Key> keys() const { return keys_; }
  std::size_t size() const { return keys_.size(); }

 private:
  std::vector<std::uint32_t> places_;  // base_ + number; smaller: free, as left by an earlier batch
  std::uint32_t mask_ = 0;
  std::uint32_t base_ = 1;
  std::vector<Key> keys_;
};

}  // namespace sherd
