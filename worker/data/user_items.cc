#include "worker/data/user_items.h"

#include <algorithm>

#include "worker/data/vocabulary.h"

namespace sherd {

UserItems::UserItems(std::uint32_t users, std::uint32_t items, std::span<const std::span<const Interaction>> parts)
    : items_(items), begin_(std::size_t{users} + 1) {
  // Counted, dealt out by user, then each user's list sorted and its repetitions squeezed out.
  std::vector<std::uint64_t> fill(std::size_t{users} + 1);
  for (const auto& part : parts) {
    for (const Interaction& row : part) {
      if (row.user != Vocabulary::kNone) ++fill[row.user + 1];
    }
  }
  for (std::uint32_t user = 0; user < users; ++user) fill[user + 1] += fill[user];
  const std::vector<std::uint64_t> first = fill;
  list_.resize(first[users]);
  for (const auto& part : parts) {
    for (const Interaction& row : part) {
      if (row.user != Vocabulary::kNone) list_[fill[row.user]++] = row.item;
    }
  }
  std::uint64_t out = 0;
  for (std::uint32_t user = 0; user < users; ++user) {
    const auto begin = list_.begin() + first[user], end = list_.begin() + first[user + 1];
    std::sort(begin, end);
    out = std::copy(begin, std::unique(begin, end), list_.begin() + out) - list_.begin();
    begin_[user + 1] = out;
  }
  list_.resize(out);
}

bool UserItems::Has(std::uint32_t user, std::uint32_t item) const {
  const auto items = of(user);
  return std::binary_search(items.begin(), items.end(), item);
}

std::uint32_t UserItems::Other(std::uint32_t user, std::uint32_t n) const {
  // items[i] - i others stand before items[i]; so many of the user's items come before the n-th other. Which half it is
  // in cannot be foreseen, so nothing branches on it.
  const auto items = of(user);
  std::uint32_t low = 0, length = static_cast<std::uint32_t>(items.size());
  while (length > 0) {
    const std::uint32_t half = length / 2, middle = low + half;
    const bool above = items[middle] - middle <= n;
    low = above ? middle + 1 : low;
    length = above ? length - half - 1 : half;
  }
  return n + low;
}

}  // namespace sherd
