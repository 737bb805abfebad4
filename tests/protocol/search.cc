#include "tests/protocol/search.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/status.h"
#include "tests/protocol/state.h"
#include "tests/protocol/steps.h"

namespace sherd::protocol {
namespace {

// Of the whole state, byte by byte: what it has not is 0.
std::uint64_t HashOf(const State& state) {
  std::uint64_t hash = 0x9E3779B97F4A7C15;
  const auto* bytes = reinterpret_cast<const unsigned char*>(&state);
  for (std::size_t i = 0; i < sizeof state; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + i, std::min<std::size_t>(8, sizeof state - i));
    hash = (hash ^ word) * 0xFF51AFD7ED558CCD;
    hash ^= hash >> 32;
  }
  return hash * 0xC4CEB9FE1A85EC53 | 1;  // 0 is a free place
}

// Number of each state by its hash, by linear probing.
class Seen {
 public:
  explicit Seen(std::size_t most) : places_(std::bit_ceil(most * 2)) {}

  // The state's number; `number` if it is new.
  std::uint32_t Add(std::uint64_t hash, std::uint32_t number) {
    if (size_ * 2 >= places_.size()) Grow();
    Place& place = Find(hash);
    if (place.hash == 0) {
      place = {hash, number};
      ++size_;
    }
    return place.number;
  }

 private:
  struct Place {
    std::uint64_t hash = 0;
    std::uint32_t number = 0;
  };

  Place& Find(std::uint64_t hash) {
    std::size_t at = hash >> 20 & (places_.size() - 1);
    while (places_[at].hash != 0 && places_[at].hash != hash) at = (at + 1) & (places_.size() - 1);
    return places_[at];
  }

  void Grow() {
    std::vector<Place> before = std::exchange(places_, std::vector<Place>(places_.size() * 2));
    for (const Place& place : before) {
      if (place.hash != 0) Find(place.hash) = place;
    }
  }

  std::vector<Place> places_;
  std::size_t size_ = 0;
};

class Searcher {
 public:
  explicit Searcher(const SearchOptions& options) : options_(options), seen_(1 << 16) {}

  Found Run() {
    Visit(FirstState(), 0, 0);
    while (!level_.empty() && found_.violation.empty() && parents_.size() < options_.most_states) {
      const std::vector<std::pair<std::uint32_t, State>> level = std::exchange(level_, {});
      for (const auto& [number, state] : level) {
        Expand(number, state);
        if (!found_.violation.empty()) break;
      }
      ++found_.depth;
    }
    found_.states = parents_.size();
    found_.complete = level_.empty() && found_.violation.empty();
    if (found_.complete && options_.ends) CheckEnds();
    return std::move(found_);
  }

 private:
  // Returns its number.
  std::uint32_t Visit(const State& state, std::uint32_t parent, std::uint8_t step) {
    const auto number = static_cast<std::uint32_t>(parents_.size());
    const std::uint32_t known = seen_.Add(HashOf(state), number);
    if (known != number) return known;
    parents_.push_back(parent);
    steps_.push_back(step);
    ends_.push_back(IsEnd(state));
    level_.emplace_back(number, state);
    return number;
  }

  void Expand(std::uint32_t number, const State& state) {
    StepsFrom(state, options_.rules, options_.mishaps, &next_);
    for (std::size_t i = 0; i < next_.size(); ++i) {
      State after = state;
      std::string violation = Take(next_[i], options_.rules, &after);
      if (!violation.empty()) {
        found_.violation = std::move(violation);
        found_.trace = TraceTo(number);
        found_.trace.push_back(Describe(next_[i], state));
        return;
      }
      if (std::memcmp(&after, &state, sizeof state) == 0) continue;
      CHECK_LT(i, 256u);
      const std::uint32_t there = Visit(after, number, static_cast<std::uint8_t>(i));
      if (options_.ends && !next_[i].mishap) ways_.emplace_back(there, number);
    }
  }

  std::vector<std::string> TraceTo(std::uint32_t number) const {
    std::vector<std::uint8_t> way;
    for (; number != 0; number = parents_[number]) way.push_back(steps_[number]);
    std::vector<std::string> trace;
    State state = FirstState();
    std::vector<Step> steps;
    for (auto step = way.rbegin(); step != way.rend(); ++step) {
      StepsFrom(state, options_.rules, options_.mishaps, &steps);
      trace.push_back(Describe(steps[*step], state));
      (void)Take(steps[*step], options_.rules, &state);
    }
    return trace;
  }

  // Backwards from the ends.
  void CheckEnds() {
    std::ranges::sort(ways_);
    std::vector<std::uint32_t> open;
    std::vector<bool> good = ends_;
    for (std::uint32_t i = 0; i < good.size(); ++i) {
      if (good[i]) open.push_back(i);
    }
    while (!open.empty()) {
      const std::uint32_t to = open.back();
      open.pop_back();
      auto way = std::ranges::lower_bound(ways_, std::pair(to, std::uint32_t{0}));
      for (; way != ways_.end() && way->first == to; ++way) {
        if (good[way->second]) continue;
        good[way->second] = true;
        open.push_back(way->second);
      }
    }
    const auto stuck = std::ranges::find(good, false);
    if (stuck == good.end()) return;
    found_.violation = "from here the job can not end any more";
    found_.trace = TraceTo(static_cast<std::uint32_t>(stuck - good.begin()));
  }

  const SearchOptions options_;
  Found found_;
  Seen seen_;
  std::vector<std::uint32_t> parents_;  // by state: whence it was reached first …
  std::vector<std::uint8_t> steps_;     // … and by which of the steps there
  std::vector<bool> ends_;
  std::vector<std::pair<std::uint32_t, State>> level_;
  std::vector<Step> next_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ways_;  // (to, from), without mishaps
};

}  // namespace

Found Search(const SearchOptions& options) { return Searcher(options).Run(); }

}  // namespace sherd::protocol
