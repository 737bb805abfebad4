#include "worker/ranked_lists.h"

#include <algorithm>

namespace sherd {

void ListJudge::Take(const RankingPart& part, std::size_t user, std::span<const RankedItem> list,
                     const ItemVectors& vectors) {
  const auto relevant = part.RelevantTo(user);
  hits_.clear();
  for (std::uint32_t place = 0; place < list.size(); ++place) {
    if (std::binary_search(relevant.begin(), relevant.end(), list[place].item)) hits_.push_back(place);
  }
  quality_.Add(hits_, relevant.size());
  if (part.popularity != nullptr) quality_.AddList(list, *part.popularity, vectors);
}

void ListCollector::Take(const RankingPart&, std::size_t, std::span<const RankedItem> list,
                         const ItemVectors& vectors) {
  if (diverse_) list = diverse_->Choose(list, vectors);
  lengths.push_back(static_cast<std::uint32_t>(list.size()));
  for (const RankedItem& item : list) {
    items.push_back(item.item);
    scores.push_back(item.score);
  }
}

}  // namespace sherd
