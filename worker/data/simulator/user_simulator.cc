#include "worker/data/simulator/user_simulator.h"

#include <algorithm>

namespace sherd {
namespace {

// Of who is so tired: the chance of leaving after an item, and what is left of the chance of a click.
constexpr std::array<double, UserSimulator::kTiredness> kLeaves = {.08, .08, .16, .35, .6},
                                                        kAttention = {1, 1, .7, .3, .1};
constexpr double kSameGenre = .5;  // what is left of the chance of a click when the last item was of this genre

// How loud an item is, from 0 to 1: four of each genre.
double Loudness(std::uint32_t item) { return (item / UserSimulator::kGenres) / 3.0; }

}  // namespace

UserSimulator::UserSimulator(std::uint64_t seed) {
  for (std::uint32_t type = 0; type < kTypes; ++type) {
    for (std::uint32_t genre = 0; genre < kGenres; ++genre) {
      taste_[type][genre] = .3 * UnitDouble(Mix(seed, 1, type, genre));
    }
  }
  for (std::uint32_t item = 0; item < kItems; ++item) {
    appeal_[item] = .6 * Loudness(item) + .1 * UnitDouble(Mix(seed, 2, item));
  }
}

double UserSimulator::ClickProbability(std::uint32_t state, std::uint32_t item) const {
  const std::uint32_t type = TypeOf(state), last = LastGenreOf(state), genre = GenreOf(item);
  return (taste_[type][genre] + appeal_[item]) * kAttention[TirednessOf(state)] * (genre == last ? kSameGenre : 1);
}

UserSimulator::Change UserSimulator::TirednessChange(std::uint32_t state, std::uint32_t item) const {
  const double again = LastGenreOf(state) == GenreOf(item) ? .15 : 0;
  return {.down = .6 * (1 - Loudness(item)) * (1 - again), .up = .05 + .8 * Loudness(item) * Loudness(item) + again};
}

std::array<UserSimulator::Next, 3> UserSimulator::NextStates(std::uint32_t state, std::uint32_t item) const {
  const auto [down, up] = TirednessChange(state, item);
  const std::uint32_t type = TypeOf(state), tired = TirednessOf(state), genre = GenreOf(item);
  const std::uint32_t less = tired == 0 ? 0 : tired - 1, more = std::min(tired + 1, kTiredness - 1);
  const auto stays = [&](std::uint32_t tiredness, double probability) {
    return Next{StateOf(type, tiredness, genre), probability * (1 - kLeaves[tiredness])};
  };
  return {stays(less, down), stays(more, up), stays(tired, 1 - down - up)};
}

UserSimulator::Step UserSimulator::Show(std::uint32_t state, std::uint32_t item, const Draws& draws) const {
  const auto [down, up] = TirednessChange(state, item);
  const auto next = NextStates(state, item);
  const std::uint32_t to = draws.tiredness < down        ? next[0].state
                           : draws.tiredness < down + up ? next[1].state
                                                         : next[2].state;
  return {.click = draws.click < ClickProbability(state, item),
          .stays = draws.leaving >= kLeaves[TirednessOf(to)],
          .next = to};
}

std::uint32_t UserSimulator::FirstState(std::uint64_t hash) {
  const auto which = static_cast<std::uint32_t>(Below(hash, kFirstStates));
  return StateOf(which / kGenres, 0, which % kGenres);
}

std::array<std::uint32_t, 4> UserSimulator::TokensOf(std::uint32_t state) {
  constexpr std::uint32_t kFirstGenre = kTypes + kTiredness, kFirstWhole = kFirstGenre + kGenres;
  return {TypeOf(state), kTypes + TirednessOf(state), kFirstGenre + LastGenreOf(state), kFirstWhole + state};
}

}  // namespace sherd
