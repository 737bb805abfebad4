#include "worker/data/simulator/session_rows.h"

#include <charconv>
#include <cmath>
#include <vector>

#include "base/file.h"
#include "worker/data/number_text.h"

namespace sherd {
namespace {

constexpr std::uint32_t kStates = UserSimulator::kStates, kItems = UserSimulator::kItems;
constexpr char kHeader[] = "state,item,propensity,click,return,next_state,stays,items\n";

struct Shown {
  std::uint32_t state, item;
  double propensity;
  UserSimulator::Step step;
};

std::string StateText(std::uint32_t state) {
  std::string text;
  for (const std::uint32_t token : UserSimulator::TokensOf(state))
    text += (text.empty() ? "" : " ") + std::to_string(token);
  return text;
}

std::string AllItems() {
  std::string text;
  for (std::uint32_t item = 0; item < kItems; ++item) text += (item > 0 ? " " : "") + std::to_string(item);
  return text;
}

// The shortest text that is the same number.
std::string NumberText(double x) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, x).ptr};
}

std::uint32_t Draw(const ItemPolicy& policy, std::uint32_t state, double uniform) {
  const double* probability = &policy[state * kItems];
  std::uint32_t item = 0, last = 0;  // the last possible one is taken where the sum is a rounding short of 1
  for (double sum = 0; item < kItems; ++item) {
    if (probability[item] == 0) continue;
    last = item;
    if (uniform < (sum += probability[item])) break;
  }
  return last;
}

// `seed` is the session's.
void Play(const UserSimulator& simulator, const ItemPolicy& policy, std::uint64_t seed, std::vector<Shown>* session) {
  session->clear();
  std::uint32_t state = UserSimulator::FirstState(Mix(seed, 0));
  for (bool stays = true; stays;) {
    const auto draw = [&](std::uint64_t lane) { return UnitDouble(Mix(seed, session->size() + 1, lane)); };
    const std::uint32_t item = Draw(policy, state, draw(0));
    const auto step = simulator.Show(state, item, {.click = draw(1), .tiredness = draw(2), .leaving = draw(3)});
    session->push_back({state, item, policy[state * kItems + item], step});
    state = step.next;
    stays = step.stays;
  }
}

std::string RowsOf(const std::vector<Shown>& session, const std::string& items) {
  std::uint64_t clicks = 0;
  for (const Shown& shown : session) clicks += shown.step.click ? 1 : 0;
  std::string text;
  for (const Shown& shown : session) {
    const auto& step = shown.step;
    text += StateText(shown.state) + "," + std::to_string(shown.item) + "," + NumberText(shown.propensity) + "," +
            (step.click ? "1," : "0,") + std::to_string(clicks) + "," +
            (step.stays ? StateText(step.next) + ",1," : ",0,") + items + "\n";
    clicks -= step.click ? 1 : 0;
  }
  return text;
}

}  // namespace

Sessions PlaySessions(const UserSimulator& simulator, const ItemPolicy& policy, std::uint64_t seed, std::uint64_t first,
                      std::uint64_t count) {
  const std::string items = AllItems();
  Sessions sessions = {.text = kHeader};
  std::vector<Shown> session;
  for (std::uint64_t number = first; number < first + count; ++number) {
    Play(simulator, policy, Mix(seed, 3, number), &session);
    sessions.text += RowsOf(session, items);
    sessions.rows += session.size();
  }
  return sessions;
}

std::string AllChoices() {
  std::string text = kHeader;
  for (std::uint32_t state = 0; state < kStates; ++state) {
    for (std::uint32_t item = 0; item < kItems; ++item) {
      text += StateText(state) + "," + std::to_string(item) + ",1,0,0,,0,\n";
    }
  }
  return text;
}

Result<std::vector<double>> ReadScores(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::vector<double> scores;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    double score;
    if (!ParseFloat(std::string_view(text).substr(begin, end - begin), &score) || !std::isfinite(score)) {
      return Status::Invalid(path + ":" + std::to_string(scores.size() + 1) + ": a number expected, got \"" +
                             text.substr(begin, end - begin) + "\"");
    }
    scores.push_back(score);
    begin = end + 1;
  }
  if (scores.size() == kStates * kItems) return scores;
  return Status::Invalid(path + ": " + std::to_string(scores.size()) + " lines, and predictions of the choices are " +
                         std::to_string(kStates * kItems));
}

}  // namespace sherd
