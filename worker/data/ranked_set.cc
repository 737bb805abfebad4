#include "worker/data/ranked_set.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>

namespace sherd {
namespace {

UserItems ItemsOf(const Interactions& interactions, std::initializer_list<proto::Chunk::Set> sets) {
  std::vector<std::span<const Interaction>> parts;
  for (const proto::Chunk::Set set : sets) {
    for (const Interactions::File& file : interactions.sets[set]) parts.emplace_back(file.rows);
  }
  return {interactions.users.size(), interactions.items.size(), parts};
}

UserItems SeenBefore(const Interactions& interactions, proto::Chunk::Set set) {
  if (set == proto::Chunk::EVAL) return ItemsOf(interactions, {proto::Chunk::TRAIN});
  return ItemsOf(interactions, {proto::Chunk::TRAIN, proto::Chunk::EVAL});
}

std::shared_ptr<const ItemPopularity> PopularityOf(const Interactions& interactions) {
  const UserItems trained = ItemsOf(interactions, {proto::Chunk::TRAIN});
  auto popularity = std::make_shared<ItemPopularity>();
  popularity->users_of.resize(interactions.items.size());
  for (std::uint32_t user = 0; user < interactions.users.size(); ++user) {
    for (const std::uint32_t item : trained.of(user)) ++popularity->users_of[item];
    popularity->users += trained.of(user).empty() ? 0 : 1;
  }
  return popularity;
}

}  // namespace

RankedSet::RankedSet(const Interactions& interactions, proto::Chunk::Set set)
    : seen_(SeenBefore(interactions, set)), popularity_(PopularityOf(interactions)) {
  const UserItems all = ItemsOf(interactions, {set});
  relevant_begin_.push_back(0);
  for (std::uint32_t user = 0; user < interactions.users.size(); ++user) {
    const auto items = all.of(user), seen = seen_->of(user);
    std::set_difference(items.begin(), items.end(), seen.begin(), seen.end(), std::back_inserter(relevant_));
    if (relevant_.size() == relevant_begin_.back()) continue;
    subjects_.push_back(user);
    relevant_begin_.push_back(relevant_.size());
  }
}

RankedSet::RankedSet(const Recommended* recommended)
    : recommended_(recommended), subjects_(recommended->known()), barred_(recommended->barred()) {}

std::span<const std::uint32_t> RankedSet::seen(std::size_t place) const {
  if (of_items()) return {&subjects_[place], 1};
  return recommended_ != nullptr ? recommended_->seen(subjects_[place]) : seen_->of(subjects_[place]);
}

std::span<const std::uint32_t> RankedSet::relevant(std::size_t place) const {
  if (relevant_begin_.empty()) return {};
  return {relevant_.data() + relevant_begin_[place], relevant_.data() + relevant_begin_[place + 1]};
}

}  // namespace sherd
