#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sherd {

struct RankedItem {
  std::uint32_t item = 0;
  float score = 0;

  bool operator==(const RankedItem&) const = default;
};

// The K best of many scored items, best first; of equal scores the item with the smaller number stands first. Items
// with a score of -inf (the mark of those that are left out) or NaN are never among them. Holds K items however many
// are offered. Thread-compatible.
class TopItems {
 public:
  explicit TopItems(std::uint32_t k) : k_(k) { heap_.reserve(k); }

  // scores[i] is that of item first + i. Items must come in ascending order, each once.
  void Offer(std::uint32_t first, std::span<const float> scores);
  // Those that were offered since the last Take, and begins anew. Valid until the next Offer.
  std::span<const RankedItem> Take();

 private:
  void Replace(RankedItem item);

  const std::uint32_t k_;
  std::vector<RankedItem> heap_;  // the worst one first, once there are k
  float worst_ = 0;               // its score; what is not above it does not get in
  bool taken_ = true;
};

}  // namespace sherd
