#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "models/metrics/list_variety.h"
#include "worker/data/interactions.h"
#include "worker/data/recommended.h"
#include "worker/data/user_items.h"

namespace sherd {

// Who is ranked for when a set is evaluated by full ranking, and what counts: the items of a user's rows in the set are
// to be found among all items but those that the user has in training, and, for the test set, in the eval set. Users
// for whom nothing is left to be found are not ranked for. Immutable.
class RankedSet {
 public:
  RankedSet(const Interactions& interactions, proto::Chunk::Set set);
  // To recommend: lists of the subjects that the model knows. Nothing is to be found. `recommended` must stay.
  explicit RankedSet(const Recommended* recommended);

  // For whom, or for which item, each list is.
  std::span<const std::uint32_t> subjects() const { return subjects_; }
  bool of_items() const { return recommended_ != nullptr && recommended_->of_items(); }
  // Of the list at a place: both ascending and distinct.
  std::span<const std::uint32_t> seen(std::size_t place) const;
  std::span<const std::uint32_t> relevant(std::size_t place) const;
  // What no list has; null: nothing.
  const std::shared_ptr<const std::vector<std::uint32_t>>& barred() const { return barred_; }
  // In training; null: to recommend.
  const std::shared_ptr<const ItemPopularity>& popularity() const { return popularity_; }

 private:
  const Recommended* const recommended_ = nullptr;
  std::optional<UserItems> seen_;  // without recommended_
  std::vector<std::uint32_t> subjects_;
  std::vector<std::uint64_t> relevant_begin_;  // [subjects + 1], or empty
  std::vector<std::uint32_t> relevant_;
  std::shared_ptr<const std::vector<std::uint32_t>> barred_;
  std::shared_ptr<const ItemPopularity> popularity_;
};

}  // namespace sherd
