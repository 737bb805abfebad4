#pragma once

#include <array>
#include <cstdint>

#include "base/hash.h"

namespace sherd {

// Users who are shown one item after another until they leave: a Markov decision process made from a seed, so small
// that all policies have a value that can be computed (item_policy.h). A state is a user's type, which has a taste for
// each genre, how tired the user is, and the genre of the last item. Items that get many clicks now make users tired,
// and who is tired clicks less and leaves sooner, as does who is shown one genre again and again; calm items let them
// rest. So what is best next is not best for the session. A reward is a click, and a session's return their number.
// Immutable.
class UserSimulator {
 public:
  static constexpr std::uint32_t kTypes = 4, kTiredness = 5, kGenres = 3, kItems = 12;
  static constexpr std::uint32_t kStates = kTypes * kTiredness * kGenres;

  explicit UserSimulator(std::uint64_t seed);

  // By lane: of one session's one step, each drawn from [0, 1).
  struct Draws {
    double click, tiredness, leaving;
  };
  struct Step {
    bool click, stays;
    std::uint32_t next;  // state, also where the user leaves
  };
  Step Show(std::uint32_t state, std::uint32_t item, const Draws& draws) const;

  double ClickProbability(std::uint32_t state, std::uint32_t item) const;
  // Where a user who stays goes; what is missing to 1 leaves.
  struct Next {
    std::uint32_t state;
    double probability;
  };
  std::array<Next, 3> NextStates(std::uint32_t state, std::uint32_t item) const;
  // A session begins with a user of any type, rested, after an item of any genre, all alike.
  static std::uint32_t FirstState(std::uint64_t hash);
  static bool IsFirstState(std::uint32_t state) { return TirednessOf(state) == 0; }
  static constexpr std::uint32_t kFirstStates = kTypes * kGenres;

  // A state as the tokens that a model sees: type, tiredness, genre, and all three as one; integers that differ between
  // these.
  static std::array<std::uint32_t, 4> TokensOf(std::uint32_t state);

 private:
  static std::uint32_t StateOf(std::uint32_t type, std::uint32_t tiredness, std::uint32_t genre) {
    return (type * kTiredness + tiredness) * kGenres + genre;
  }
  static std::uint32_t GenreOf(std::uint32_t item) { return item % kGenres; }
  static std::uint32_t TypeOf(std::uint32_t state) { return state / (kTiredness * kGenres); }
  static std::uint32_t TirednessOf(std::uint32_t state) { return state / kGenres % kTiredness; }
  static std::uint32_t LastGenreOf(std::uint32_t state) { return state % kGenres; }

  // Of less tiredness, and of more.
  struct Change {
    double down, up;
  };
  Change TirednessChange(std::uint32_t state, std::uint32_t item) const;

  std::array<std::array<double, kGenres>, kTypes> taste_;
  std::array<double, kItems> appeal_;
};

}  // namespace sherd
