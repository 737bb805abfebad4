#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"

namespace sherd::bench {

// What a case found. `ratio` says how near it comes to its floor: higher is better, 1 is as fast as the floor.
struct Figure {
  double value = 0;  // in `unit`
  std::string unit;
  double floor = 0;  // in the same unit: what a plain loop, or the machine, does at the same work
  double ratio = 0;
};

// A benchmark. It measures itself and its floor in turns, so that a machine that slows down slows both, and fails when
// its result is wrong.
struct Case {
  const char* name;
  const char* what;
  const char* floor;  // what the floor is
  Result<Figure> (*run)();
};

Result<Figure> TablePull();
Result<Figure> TablePush();
Result<Figure> TableInsert();
Result<Figure> TrainDeepFm();
Result<Figure> DataTsv();
Result<Figure> WirePushPull();

// Seconds that `function` takes.
double Seconds(const std::function<void()>& function);

// Runs the two in turns and returns the figure of the medians: `work` units done by each run of either.
Figure CompareInTurns(double work, const std::string& unit, const std::function<void()>& measured,
                      const std::function<void()>& floor);

}  // namespace sherd::bench
