#include "launch/chaos/plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "base/hash.h"

namespace sherd {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStallAfter{10000};
constexpr double kLongestSeconds = 7 * 86400;

const std::map<std::string, proto::Role, std::less<>> kRoles = {
    {"scheduler", proto::SCHEDULER}, {"server", proto::SERVER}, {"worker", proto::WORKER}, {"spare", proto::SPARE}};

struct Word {
  std::string_view text;
  std::size_t at = 0;  // character of the whole text, from 0
};

Status Bad(const Word& word, const std::string& what) {
  return Status::Invalid("--chaos: at character " + std::to_string(word.at + 1) + ", '" + std::string(word.text) +
                         "': " + what);
}

std::vector<Word> Split(const Word& whole, char separator) {
  std::vector<Word> words;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = std::min(whole.text.find(separator, begin), whole.text.size());
    words.push_back({whole.text.substr(begin, end - begin), whole.at + begin});
    if (end == whole.text.size()) return words;
    begin = end + 1;
  }
}

// A number and the unit behind it.
std::optional<std::pair<double, std::string_view>> Quantity(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(value) || value < 0) return std::nullopt;
  return std::pair(value, text.substr(static_cast<std::size_t>(end - text.data())));
}

Result<milliseconds> Time(const Word& word) {
  static const std::map<std::string_view, double> kSeconds = {{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
  const auto quantity = Quantity(word.text);
  const auto unit = quantity ? kSeconds.find(quantity->second) : kSeconds.end();
  if (unit == kSeconds.end()) return Bad(word, "a time is expected, like 30s, 1.5s, 20ms or 2m");
  const double seconds = quantity->first * unit->second;
  if (seconds > kLongestSeconds) return Bad(word, "more than a week");
  return milliseconds(std::llround(1000 * seconds));
}

Result<double> Share(const Word& word) {
  const auto quantity = Quantity(word.text);
  const bool percent = quantity && quantity->second == "%";
  if (!quantity || (!percent && !quantity->second.empty())) {
    return Bad(word, "a share of the messages is expected, like 1% or 0.01");
  }
  const double share = percent ? quantity->first / 100 : quantity->first;
  if (share > 1) return Bad(word, "more than all messages");
  return share;
}

Status SetRole(const Word& word, ChaosPlan::Act* act) {
  const std::size_t digits = std::min(word.text.find_first_of("0123456789"), word.text.size());
  const auto role = kRoles.find(word.text.substr(0, digits));
  const Status bad = Bad(word, "a role is expected: server, worker, scheduler or spare, or server1 for one of them");
  if (role == kRoles.end()) return bad;
  act->role = role->second;
  if (digits == word.text.size()) return {};
  std::uint32_t index = 0;
  const char* const end = word.text.data() + word.text.size();
  const auto parsed = std::from_chars(word.text.data() + digits, end, index);
  if (parsed.ec != std::errc() || parsed.ptr != end) return bad;
  act->index = index;
  return {};
}

Status CheckWords(const std::vector<Word>& words, std::size_t least, std::size_t most, const char* form) {
  if (words.size() >= least && words.size() <= most) return {};
  return Bad(words[0], std::string("write ") + form);
}

Status AddKill(const std::vector<Word>& words, ChaosPlan* plan) {
  RETURN_IF_ERROR(CheckWords(words, 3, 3, "kill:ROLE:TIME"));
  ChaosPlan::Act act;
  RETURN_IF_ERROR(SetRole(words[1], &act));
  ASSIGN_OR_RETURN(act.after, Time(words[2]));
  plan->acts.push_back(act);
  return {};
}

Status AddStall(const std::vector<Word>& words, ChaosPlan* plan) {
  RETURN_IF_ERROR(CheckWords(words, 3, 4, "stall:ROLE:TIME or stall:ROLE:TIME:AFTER"));
  ChaosPlan::Act act;
  act.after = kStallAfter;
  RETURN_IF_ERROR(SetRole(words[1], &act));
  ASSIGN_OR_RETURN(act.stall, Time(words[2]));
  if (act.stall.count() == 0) return Bad(words[2], "a stall of no time");
  if (words.size() == 4) {
    ASSIGN_OR_RETURN(act.after, Time(words[3]));
  }
  plan->acts.push_back(act);
  return {};
}

Status SetShare(const std::vector<Word>& words, double* share) {
  RETURN_IF_ERROR(CheckWords(words, 2, 2, (std::string(words[0].text) + ":SHARE").c_str()));
  ASSIGN_OR_RETURN(*share, Share(words[1]));
  return {};
}

Status SetDelay(const std::vector<Word>& words, Faults* faults) {
  RETURN_IF_ERROR(CheckWords(words, 2, 3, "delay:TIME or delay:TIME:SHARE"));
  ASSIGN_OR_RETURN(const milliseconds time, Time(words[1]));
  if (time > std::chrono::minutes(1)) return Bad(words[1], "more than a minute");
  faults->min_delay = faults->max_delay = time;
  faults->delay = 1;
  if (words.size() == 3) {
    ASSIGN_OR_RETURN(faults->delay, Share(words[2]));
  }
  return {};
}

Status AddEntry(const Word& entry, ChaosPlan* plan) {
  const std::vector<Word> words = Split(entry, ':');
  const std::string_view kind = words[0].text;
  if (kind == "kill") return AddKill(words, plan);
  if (kind == "stall") return AddStall(words, plan);
  if (kind == "drop") return SetShare(words, &plan->faults.drop);
  if (kind == "dup") return SetShare(words, &plan->faults.duplicate);
  if (kind == "corrupt") return SetShare(words, &plan->faults.corrupt);
  if (kind == "delay") return SetDelay(words, &plan->faults);
  return Bad(words[0], "there are kill, stall, drop, delay, dup and corrupt");
}

std::uint32_t CountOf(proto::Role role, const RolePlan& roles) {
  switch (role) {
    case proto::SCHEDULER:
      return 1;
    case proto::SERVER:
      return roles.servers;
    case proto::WORKER:
      return roles.workers;
    case proto::SPARE:
      return roles.spares;
  }
  return 0;
}

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

std::string SecondsText(milliseconds time) { return Number(static_cast<double>(time.count()) / 1000) + " s"; }

}  // namespace

Result<ChaosPlan> ParseChaos(const std::string& text, const std::string& seed) {
  ChaosPlan plan;
  const char* const end = seed.data() + seed.size();
  const auto parsed = std::from_chars(seed.data(), end, plan.faults.seed);
  if (parsed.ec != std::errc() || parsed.ptr != end) return Status::Invalid("--chaos_seed: " + seed + " is no number");
  for (const Word& entry : Split({text, 0}, ',')) RETURN_IF_ERROR(AddEntry(entry, &plan));
  return plan;
}

std::uint32_t ChaosPlan::Victim(std::size_t act, const RolePlan& roles) const {
  if (acts[act].index) return *acts[act].index;
  const std::uint32_t count = CountOf(acts[act].role, roles);
  return count == 0 ? 0 : static_cast<std::uint32_t>(Below(Mix(faults.seed, act), count));
}

std::vector<ChaosPlan::Act> ChaosPlan::ActsOf(const RankRole& rank, const RolePlan& roles) const {
  std::vector<Act> mine;
  for (std::size_t i = 0; i < acts.size(); ++i) {
    if (acts[i].role == rank.role && Victim(i, roles) == rank.index) mine.push_back(acts[i]);
  }
  std::stable_sort(mine.begin(), mine.end(), [](const Act& a, const Act& b) { return a.after < b.after; });
  return mine;
}

std::string ChaosPlan::Text(const RolePlan& roles) const {
  std::string text;
  for (std::size_t i = 0; i < acts.size(); ++i) {
    const Act& act = acts[i];
    text += act.stall.count() == 0 ? "kill " : "stall ";
    text += RoleName({act.role, Victim(i, roles)});
    if (act.stall.count() != 0) text += " for " + SecondsText(act.stall);
    text += " after " + SecondsText(act.after) + "; ";
    if (CountOf(act.role, roles) <= Victim(i, roles)) text += "(there is none); ";
  }
  const auto share = [&](const char* what, double share) {
    if (share > 0) text += what + Number(100 * share) + " % of messages; ";
  };
  share("drop ", faults.drop);
  share("repeat ", faults.duplicate);
  share("damage ", faults.corrupt);
  const auto delay = std::chrono::duration_cast<milliseconds>(faults.max_delay);
  share(("delay by " + SecondsText(delay) + " ").c_str(), faults.delay);
  return text + "seed " + std::to_string(faults.seed);
}

}  // namespace sherd
