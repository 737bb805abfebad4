#include "bench/bench_case.h"

#include <algorithm>
#include <chrono>

namespace sherd::bench {
namespace {

constexpr int kTurns = 7;

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

}  // namespace

double Seconds(const std::function<void()>& function) {
  const auto begin = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Figure CompareInTurns(double work, const std::string& unit, const std::function<void()>& measured,
                      const std::function<void()>& floor) {
  std::vector<double> ours, theirs;
  for (int turn = 0; turn < kTurns; ++turn) {
    ours.push_back(Seconds(measured));
    theirs.push_back(Seconds(floor));
  }
  const double value = work / Median(ours), best = work / Median(theirs);
  return {.value = value, .unit = unit, .floor = best, .ratio = value / best};
}

}  // namespace sherd::bench
