#include "models/metrics/diverse_list.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace sherd {

std::span<const RankedItem> DiverseList::Choose(std::span<const RankedItem> list, const ItemVectors& vectors) {
  constexpr double kChosen = std::numeric_limits<double>::infinity();
  chosen_.clear();
  if (list.empty()) return chosen_;
  lengths_.clear();
  for (const RankedItem& item : list) {
    const std::span<const float> v = vectors.of(item.item);
    lengths_.push_back(std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0)));
  }
  const double range = double{list.front().score} - list.back().score;
  alike_.assign(list.size(), -1);
  for (bool first = true; chosen_.size() < std::min<std::size_t>(at_, list.size()); first = false) {
    std::size_t best = list.size();
    double best_value = 0;
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (alike_[i] == kChosen) continue;
      const double score = range > 0 ? (double{list[i].score} - list.back().score) / range : 0;
      const double value = lambda_ * score - (first ? 0 : (1 - lambda_) * alike_[i]);
      if (best < list.size() && !(value > best_value)) continue;
      best = i;
      best_value = value;
    }
    chosen_.push_back(list[best]);
    alike_[best] = kChosen;
    const std::span<const float> a = vectors.of(list[best].item);
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (alike_[i] == kChosen) continue;
      const double lengths = lengths_[best] * lengths_[i];
      const double dot = std::inner_product(a.begin(), a.end(), vectors.of(list[i].item).begin(), 0.0);
      alike_[i] = std::max(alike_[i], lengths > 0 ? dot / lengths : 0);
    }
  }
  return chosen_;
}

}  // namespace sherd
