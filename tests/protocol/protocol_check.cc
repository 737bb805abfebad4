// Is the protocol of docs/fault_tolerance.md safe in every order of events, and is each of its rules needed?
//
//   protocol_check [MISHAPS [quiet]]
//
// A mishap is a process that is lost, or taken for lost though it lives, or a follower that is given up; default: 2.
// Exit code 1: a promise is broken though all rules hold, or none is though one does not.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

#include "tests/protocol/rules.h"
#include "tests/protocol/search.h"

namespace sherd::protocol {
namespace {

void Print(const Found& found, bool with_trace) {
  std::cout << found.states << " states, " << found.depth
            << " steps deep: " << (found.violation.empty() ? "nothing is broken" : found.violation) << '\n';
  for (const std::string& step : found.trace) {
    if (with_trace) std::cout << "    " << step << '\n';
  }
  std::cout << std::flush;
}

bool AllRulesSuffice(int mishaps) {
  std::cout << "all rules, " << mishaps << " mishaps: " << std::flush;
  const auto begin = std::chrono::steady_clock::now();
  const Found found = Search({.rules = Rules(), .mishaps = mishaps, .ends = true});
  Print(found, true);
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
  std::cout << (found.complete ? "" : "and not all of them; ") << time.count() << " s\n" << std::flush;
  return found.complete && found.violation.empty();
}

bool IsNeeded(Rule rule, bool with_trace) {
  std::cout << "without \"" << kRuleNames[static_cast<std::size_t>(rule)] << "\": " << std::flush;
  const Found found = Search({.rules = Rules::Without(rule), .mishaps = 2});
  Print(found, with_trace);
  return !found.violation.empty();
}

int Main(int argc, char** argv) {
  const int mishaps = argc > 1 ? std::atoi(argv[1]) : 2;
  const bool quiet = argc > 2 && std::string(argv[2]) == "quiet";
  bool good = AllRulesSuffice(mishaps);
  for (int rule = 0; rule < static_cast<int>(Rule::kCount); ++rule) good &= IsNeeded(static_cast<Rule>(rule), !quiet);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace sherd::protocol

int main(int argc, char** argv) { return sherd::protocol::Main(argc, argv); }
