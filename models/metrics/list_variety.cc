#include "models/metrics/list_variety.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace sherd {

void ListVariety::Add(std::span<const RankedItem> list, const ItemPopularity& popularity, const ItemVectors& vectors) {
  double novelty = 0, shares = 0, own = 0;
  direction_.assign(vectors.dim, 0);
  std::size_t item = 0;
  for (std::size_t place = 0; place < at_.size(); ++place) {
    Sums& sums = sums_[place];
    sums.catalogue = static_cast<std::uint32_t>(popularity.users_of.size());
    sums.has_diversity = !vectors.values.empty();
    sums.listed.resize((sums.catalogue + 7) / 8);
    for (; item < list.size() && item < at_[place]; ++item) {
      const double share = static_cast<double>(std::max(popularity.users_of[list[item].item], 1u)) / popularity.users;
      novelty -= std::log2(share);
      shares += share;
      if (vectors.values.empty()) continue;
      const std::span<const float> v = vectors.of(list[item].item);
      const double squares = std::inner_product(v.begin(), v.end(), v.begin(), 0.0);
      if (squares == 0) continue;
      own += 1;
      for (std::size_t d = 0; d < v.size(); ++d) direction_[d] += v[d] / std::sqrt(squares);
    }
    for (std::size_t i = 0; i < item; ++i) {
      sums.listed[list[i].item / 8] = static_cast<char>(sums.listed[list[i].item / 8] | (1 << (list[i].item % 8)));
    }
    if (item == 0) continue;
    const auto n = static_cast<double>(item);
    sums.novelty += novelty / n;
    sums.popularity += shares / n;
    // |sum of unit vectors|^2 has each of them once with itself, and each pair twice.
    const double all = std::inner_product(direction_.begin(), direction_.end(), direction_.begin(), 0.0);
    if (sums.has_diversity && item > 1) sums.diversity += 1 - (all - own) / (n * (n - 1));
  }
}

void ListVariety::Save(std::size_t place, proto::RankingAt* out) const {
  const Sums& sums = sums_[place];
  if (sums.catalogue == 0) return;
  out->set_novelty(sums.novelty);
  out->set_popularity(sums.popularity);
  if (sums.has_diversity) out->set_diversity(sums.diversity);
  out->set_catalogue(sums.catalogue);
  out->set_listed(sums.listed);
}

void ListVariety::Add(std::size_t place, const proto::RankingAt& more) {
  if (!more.has_catalogue()) return;
  Sums& sums = sums_[place];
  sums.novelty += more.novelty();
  sums.popularity += more.popularity();
  sums.diversity += more.diversity();
  sums.has_diversity = more.has_diversity();
  sums.catalogue = more.catalogue();
  sums.listed.resize(std::max(sums.listed.size(), more.listed().size()));
  for (std::size_t i = 0; i < more.listed().size(); ++i) {
    sums.listed[i] = static_cast<char>(sums.listed[i] | more.listed()[i]);
  }
}

void ListVariety::AddFigures(std::uint64_t users, std::map<std::string, double>* figures) const {
  for (std::size_t i = 0; i < at_.size(); ++i) {
    const Sums& sums = sums_[i];
    if (sums.catalogue == 0) continue;
    const std::string at = "@" + std::to_string(at_[i]);
    const auto n = static_cast<double>(users);
    std::uint64_t listed = 0;
    for (const char byte : sums.listed) listed += std::popcount(static_cast<unsigned char>(byte));
    (*figures)["coverage" + at] = static_cast<double>(listed) / sums.catalogue;
    (*figures)["novelty" + at] = sums.novelty / n;
    (*figures)["popularity" + at] = sums.popularity / n;
    if (sums.has_diversity) (*figures)["diversity" + at] = sums.diversity / n;
  }
}

}  // namespace sherd
