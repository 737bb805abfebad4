#include "worker/catalogue_ranker.h"

#include <glog/logging.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "models/nn/gemm.h"

namespace sherd {
namespace {

// A block of scores is 1 MiB, and stays in the cache from the product to the heaps.
constexpr std::uint32_t kBlockUsers = 64, kBlockItems = 4096;

// Leaves out those of `items` whose scores these are, the first of which is that of `first`.
void LeaveOutOf(std::span<const std::uint32_t> items, std::uint32_t first, std::span<float> scores) {
  for (auto item = std::lower_bound(items.begin(), items.end(), first); item != items.end(); ++item) {
    if (*item - first >= scores.size()) return;
    scores[*item - first] = -std::numeric_limits<float>::infinity();
  }
}

void InverseLengths(std::span<const float> vectors, std::size_t dim, std::vector<float>* out) {
  out->clear();
  for (std::size_t at = 0; at < vectors.size(); at += dim) {
    const float* const v = vectors.data() + at;
    const float squares = std::inner_product(v, v + dim, v, 0.0f);
    out->push_back(squares > 0 ? 1 / std::sqrt(squares) : 0);
  }
}

}  // namespace

CatalogueRanker::CatalogueRanker(std::uint32_t k, RankedListSink* sink)
    : sink_(sink), tops_(kBlockUsers, TopItems(k)) {}

void CatalogueRanker::Add(const RankingPart& part, std::uint32_t rows, std::span<const float> values) {
  switch (part.kind) {
    case RankingPart::Kind::kNone:
    case RankingPart::Kind::kListed:
      return;
    case RankingPart::Kind::kItems:
      return AddItems(part, values);
    case RankingPart::Kind::kUsers:
    case RankingPart::Kind::kAlike:
      return AddSubjects(part, rows, values);
    case RankingPart::Kind::kPairs:
      return AddPairs(part, values);
  }
}

void CatalogueRanker::LeaveOut(const RankingPart& part, std::size_t user, std::uint32_t first,
                               std::span<float> scores) const {
  LeaveOutOf(part.SeenBy(user), first, scores);
  if (part.barred != nullptr) LeaveOutOf(*part.barred, first, scores);
}

void CatalogueRanker::AddItems(const RankingPart& part, std::span<const float> vectors) {
  if (part.first == 0) {
    items_.clear();
    item_scales_.clear();
  }
  items_.insert(items_.end(), vectors.begin(), vectors.end());
}

void CatalogueRanker::AddSubjects(const RankingPart& part, std::uint32_t rows, std::span<const float> vectors) {
  const std::size_t dim = vectors.size() / rows;
  CHECK_EQ(items_.size(), std::size_t{part.catalogue} * dim) << "users before all items have come";
  if (part.kind == RankingPart::Kind::kAlike) {
    if (item_scales_.empty()) InverseLengths(items_, dim, &item_scales_);
    InverseLengths(vectors, dim, &subject_scales_);
  }
  for (std::uint32_t first = 0; first < rows; first += kBlockUsers) {
    RankBlock(part, first, std::min(kBlockUsers, rows - first), vectors.data() + first * dim, dim);
  }
}

void CatalogueRanker::RankBlock(const RankingPart& part, std::uint32_t first, std::uint32_t count, const float* vectors,
                                std::size_t dim) {
  block_.resize(std::size_t{kBlockUsers} * kBlockItems);
  for (std::uint32_t item = 0; item < part.catalogue; item += kBlockItems) {
    const std::uint32_t items = std::min(kBlockItems, part.catalogue - item);
    nn::Gemm(nn::Transpose::kNo, nn::Transpose::kYes, count, items, dim, vectors, dim, items_.data() + item * dim, dim,
             nn::Accumulate::kNo, block_.data(), kBlockItems);
    if (part.kind == RankingPart::Kind::kAlike) Scale(part, first, count, item, items);
    for (std::uint32_t user = 0; user < count; ++user) {
      const std::span<float> scores(block_.data() + std::size_t{user} * kBlockItems, items);
      LeaveOut(part, first + user, item, scores);
      tops_[user].Offer(item, scores);
    }
  }
  for (std::uint32_t user = 0; user < count; ++user) {
    sink_->Take(part, first + user, tops_[user].Take(), {items_, dim});
  }
}

// From dot products to cosines.
void CatalogueRanker::Scale(const RankingPart& part, std::uint32_t first, std::uint32_t count, std::uint32_t item,
                            std::uint32_t items) {
  for (std::uint32_t user = 0; user < count; ++user) {
    float* const scores = block_.data() + std::size_t{user} * kBlockItems;
    for (std::uint32_t i = 0; i < items; ++i) scores[i] *= subject_scales_[first + user] * item_scales_[item + i];
  }
}

void CatalogueRanker::AddPairs(const RankingPart& part, std::span<const float> scores) {
  if (items_.size() != part.first) items_.clear();  // what a chunk that was not finished has left
  std::size_t user = 0;
  for (std::size_t row = 0; row < scores.size();) {
    const std::size_t count = std::min<std::size_t>(scores.size() - row, part.catalogue - items_.size());
    items_.insert(items_.end(), scores.begin() + row, scores.begin() + row + count);
    row += count;
    if (items_.size() < part.catalogue) return;
    LeaveOut(part, user, 0, items_);
    tops_[0].Offer(0, items_);
    sink_->Take(part, user++, tops_[0].Take(), {});
    items_.clear();
  }
}

}  // namespace sherd
