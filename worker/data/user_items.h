#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sherd {

struct Interaction {
  std::uint32_t user;  // Vocabulary::kNone: a bad row, kept for its place (predict)
  std::uint32_t item;
  std::uint32_t line;  // in its file
  float rating = 0;    // where data.user_item.rating_column is set
};

// Which items each user has, out of items 0..items-1, and so which ones not. Immutable.
class UserItems {
 public:
  UserItems(std::uint32_t users, std::uint32_t items, std::span<const std::span<const Interaction>> parts);

  std::span<const std::uint32_t> of(std::uint32_t user) const {  // ascending, distinct
    return {list_.data() + begin_[user], list_.data() + begin_[user + 1]};
  }
  bool Has(std::uint32_t user, std::uint32_t item) const;
  // How many items the user does not have.
  std::uint32_t Others(std::uint32_t user) const { return items_ - static_cast<std::uint32_t>(of(user).size()); }
  // The n-th of them, in ascending order, n < Others(user): so one hash draws one without ever trying again.
  std::uint32_t Other(std::uint32_t user, std::uint32_t n) const;

 private:
  const std::uint32_t items_;
  std::vector<std::uint64_t> begin_;  // [users + 1]
  std::vector<std::uint32_t> list_;
};

}  // namespace sherd
