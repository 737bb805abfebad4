#include "models/metrics/top_items.h"

#include <algorithm>
#include <limits>

namespace sherd {
namespace {

constexpr float kLeftOut = -std::numeric_limits<float>::infinity();

bool Better(const RankedItem& a, const RankedItem& b) {
  return a.score != b.score ? a.score > b.score : a.item < b.item;
}

}  // namespace

void TopItems::Offer(std::uint32_t first, std::span<const float> scores) {
  if (taken_) heap_.clear();
  if (heap_.size() < k_) worst_ = kLeftOut;
  taken_ = false;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    // An item of the same score as the worst one has a larger number, and so stands behind it.
    if (!(scores[i] > worst_)) continue;
    Replace({first + static_cast<std::uint32_t>(i), scores[i]});
  }
}

void TopItems::Replace(RankedItem item) {
  if (k_ == 0) return;
  if (heap_.size() == k_) {
    std::pop_heap(heap_.begin(), heap_.end(), Better);
    heap_.back() = item;
  } else {
    heap_.push_back(item);
  }
  std::push_heap(heap_.begin(), heap_.end(), Better);
  if (heap_.size() == k_) worst_ = heap_.front().score;
}

std::span<const RankedItem> TopItems::Take() {
  if (taken_) heap_.clear();
  taken_ = true;
  std::sort(heap_.begin(), heap_.end(), Better);
  return heap_;
}

}  // namespace sherd
