#include "bench/bench_case.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace sherd::bench {
Figure& Figure::With(const std::string& name, double number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.6g", number);
  fields.emplace_back(name, text);
  return *this;
}

Figure& Figure::With(const std::string& name, const std::string& word) {
  fields.emplace_back(name, '"' + word + '"');
  return *this;
}

void Skip(const char* name, const std::string& why) {
  std::fprintf(stderr, "sherd-bench: %s: SKIPPED: %s\n", name, why.c_str());
}

double Seconds(const std::function<void()>& function) {
  const auto begin = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

std::size_t FastestOf(const std::vector<Contender>& contenders, int turns) {
  std::vector<std::vector<double>> seconds(contenders.size());
  for (int turn = 0; turn < turns; ++turn) {
    for (std::size_t i = 0; i < contenders.size(); ++i) seconds[i].push_back(Seconds(contenders[i]));
  }
  std::vector<double> medians;
  for (std::vector<double>& each : seconds) medians.push_back(Median(std::move(each)));
  return static_cast<std::size_t>(std::ranges::min_element(medians) - medians.begin());
}

Figure CompareInTurns(double work, const std::string& unit, const Contender& measured,
                      const std::vector<Contender>& floors, int turns) {
  std::vector<double> ours;
  std::vector<std::vector<double>> theirs(floors.size());
  for (int turn = 0; turn < turns; ++turn) {
    ours.push_back(Seconds(measured));
    for (std::size_t i = 0; i < floors.size(); ++i) theirs[i].push_back(Seconds(floors[i]));
  }
  double best = 0;
  for (std::vector<double>& seconds : theirs) best = std::max(best, work / Median(std::move(seconds)));
  const double value = work / Median(std::move(ours));
  return {.value = value, .unit = unit, .floor = best, .ratio = value / best, .part = {}, .fields = {}};
}

}  // namespace sherd::bench
