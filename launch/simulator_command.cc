#include "launch/simulator_command.h"

#include <cstdio>
#include <vector>

#include "base/byte_count.h"
#include "base/file.h"
#include "launch/command_words.h"
#include "launch/progress_display.h"
#include "worker/data/simulator/item_policy.h"
#include "worker/data/simulator/session_rows.h"
#include "worker/data/simulator/user_simulator.h"

namespace sherd {
namespace {

constexpr std::uint64_t kMostSessions = 1'000'000, kMostNumber = 1ull << 62;  // of which all rows are in memory

const std::vector<HelpfulFlag>& Flags() {
  static const std::vector<HelpfulFlag> flags = {
      {{"simulator", ""}, "sessions of simulated users, whose best return is known, in place of a click log"},
      {{"output", "FILE"}, "where to write sessions; without it only returns are told"},
      {{"sessions", "N"}, "how many; default 100000"},
      {{"first_session", "N"}, "number of the first; default 0"},
      {{"seed", "N"}, "other users and items; default 1"},
      {{"choices", "FILE"}, "where to write each state with each item, for sherd predict to score"},
      {{"scores", "FILE"}, "what it made of them: a policy, whose return is told and that chooses the sessions' items"},
      {{"explore", "X"}, "… in sessions but for a share of X that is drawn from all items alike; default 0.2"},
  };
  return flags;
}

class Simulation {
 public:
  Simulation(std::uint64_t seed, std::ostream* out) : simulator_(seed), seed_(seed), out_(out) {}

  // Of the policies that need no model.
  void TellBounds() {
    best_ = ReturnOf(simulator_, BestPolicy(simulator_));
    char line[160];
    std::snprintf(line, sizeof line,
                  "users     seed %llu, %u states, %u items; returns are clicks a session, exactly\n",
                  static_cast<unsigned long long>(seed_), UserSimulator::kStates, UserSimulator::kItems);
    *out_ << line;
    Tell("best", best_, "by value iteration");
    Tell("greedy", ReturnOf(simulator_, GreedyPolicy(simulator_)), "the item that is most likely clicked on next");
    Tell("random", ReturnOf(simulator_, RandomPolicy()), "each item alike");
  }

  void TellScores(std::span<const double> scores) {
    Tell("highest", ReturnOf(simulator_, HighestScore(scores)), "the item with the highest score");
    Tell("softmax", ReturnOf(simulator_, SoftmaxPolicy(scores)), "items as probable as softmax of the scores says");
  }

  Status Write(const ItemPolicy& policy, std::uint64_t first, std::uint64_t count, const std::string& path) {
    const Sessions sessions = PlaySessions(simulator_, policy, seed_, first, count);
    RETURN_IF_ERROR(WriteFileAtomically(path, sessions.text));
    *out_ << "sessions  " << path << ", " << WithCommas(count) << " from " << WithCommas(first) << " on, "
          << WithCommas(sessions.rows) << " rows, " << BytesText(sessions.text.size()) << "\n";
    return {};
  }

 private:
  void Tell(const char* name, double value, const char* what) {
    char line[160];
    std::snprintf(line, sizeof line, "%-9s %.4f, %.4f of the best: %s\n", name, value, value / best_, what);
    *out_ << line;
  }

  const UserSimulator simulator_;
  const std::uint64_t seed_;
  std::ostream* const out_;
  double best_ = 0;
};

}  // namespace

Status RunSimulatorCommand(std::span<const std::string> words, std::ostream& out) {
  ASSIGN_OR_RETURN(const CommandWords taken, TakeApart("gen --simulator", FlagNames(Flags()), words));
  if (!taken.paths.empty()) return Status::Invalid("gen takes flags alone: --output=" + taken.paths[0] + "?");
  ASSIGN_OR_RETURN(const std::uint64_t seed, taken.Number("seed", 0, ~std::uint64_t{0}, 1));
  ASSIGN_OR_RETURN(const std::uint64_t count, taken.Number("sessions", 1, kMostSessions, 100'000));
  ASSIGN_OR_RETURN(const std::uint64_t first, taken.Number("first_session", 0, kMostNumber, 0));
  ASSIGN_OR_RETURN(const double explore, taken.Real("explore", .2));
  if (explore < 0 || explore > 1) return BadFlag("explore", taken.Flag("explore") + " is not a share from 0 to 1");
  if (taken.Has("explore") && !taken.Has("scores")) return BadFlag("explore", "without --scores all items are alike");
  std::vector<double> scores;
  if (taken.Has("scores")) {
    ASSIGN_OR_RETURN(scores, ReadScores(taken.Flag("scores")));
  }

  Simulation simulation(seed, &out);
  simulation.TellBounds();
  if (!scores.empty()) simulation.TellScores(scores);
  if (taken.Has("choices")) {
    RETURN_IF_ERROR(WriteFileAtomically(taken.Flag("choices"), AllChoices()));
  }
  if (!taken.Has("output")) return {};
  const ItemPolicy policy = scores.empty() ? RandomPolicy() : Explore(SoftmaxPolicy(scores), explore);
  return simulation.Write(policy, first, count, taken.Flag("output"));
}

std::string SimulatorHelp() { return HelpOf("Flags of gen --simulator:", Flags()); }

}  // namespace sherd
