#include "worker/data/histories.h"

#include <algorithm>

namespace sherd {
namespace {

template <typename Visit>
void ForEachRow(const std::vector<Interactions::File>& files, const Visit& visit) {
  for (const Interactions::File& file : files) {
    for (std::size_t i = 0; i < file.rows.size(); ++i) {
      if (file.rows[i].user != Vocabulary::kNone) visit(file.rows[i], file.times.empty() ? 0 : file.times[i]);
    }
  }
}

}  // namespace

Histories::Histories(const Interactions& interactions, std::uint32_t max_length, Past past)
    : max_length_(max_length), begin_(std::size_t{interactions.users.size()} + 1, 0) {
  std::vector<proto::Chunk::Set> sets = {proto::Chunk::TRAIN, proto::Chunk::EVAL};
  if (past == Past::kEvalAndTest) sets.push_back(proto::Chunk::TEST);
  for (const auto set : sets) {
    ForEachRow(interactions.sets[set], [&](const Interaction& row, std::int64_t) { ++begin_[row.user + 1]; });
  }
  for (std::size_t i = 1; i < begin_.size(); ++i) begin_[i] += begin_[i - 1];
  std::vector<Timed> timed(begin_.back());
  std::vector<std::uint64_t> next(begin_.begin(), begin_.end() - 1);
  const auto by_time = [](const Timed& a, const Timed& b) { return a.time < b.time; };
  for (const auto set : sets) {
    const std::vector<std::uint64_t> first = next;
    ForEachRow(interactions.sets[set], [&](const Interaction& row, std::int64_t time) {
      timed[next[row.user]++] = {{row.item, row.line}, time};
    });
    for (std::size_t user = 0; user < next.size(); ++user) {
      std::stable_sort(timed.begin() + first[user], timed.begin() + next[user], by_time);
    }
    if (set == proto::Chunk::TRAIN) trained_end_ = next;
  }
  events_.reserve(timed.size());
  for (const Timed& one : timed) events_.push_back(one.event);
}

Histories::Events Histories::Last(std::uint64_t begin, std::uint64_t end) const {
  begin = std::max(begin, end - std::min<std::uint64_t>(end, max_length_));
  return {events_.data() + begin, events_.data() + end};
}

Histories::Events Histories::Before(proto::Chunk::Set set, std::uint32_t user) const {
  return Last(begin_[user], set == proto::Chunk::TEST ? begin_[user + 1] : trained_end_[user]);
}

Histories::Example Histories::ExampleOf(std::uint32_t user) const {
  const Events history = Last(begin_[user], trained_end_[user] - 1);
  return {history, {history.data() + 1, history.size()}};
}

std::vector<std::uint32_t> Histories::TrainedUsers() const {
  std::vector<std::uint32_t> users;
  for (std::uint32_t user = 0; user < trained_end_.size(); ++user) {
    if (trained_end_[user] - begin_[user] >= 2) users.push_back(user);
  }
  return users;
}

}  // namespace sherd
