#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"

namespace sherd::bench {

// What the command line sets; cases without tables use none of it.
struct Options {
  std::uint64_t rows = 0;  // of a table; 0: what the case has by default
  std::uint32_t dim = 16;
  std::uint32_t threads = 2;  // of table.shards and train.…
  std::string click_log;      // Criteo TSV for train.…; empty: one of our own
  std::string spill_dir;      // where table.spill and checkpoint.… make their folders; empty: the current one
  std::uint64_t turns = 0;    // of train.… with its floor; 0: as many as ever
  std::vector<std::string> against = {};  // commands of programs that train alike, for train.…: see turn_process.h
  std::uint64_t rows_or(std::uint64_t usual) const { return rows == 0 ? usual : rows; }
  std::uint64_t turns_or(std::uint64_t usual) const { return turns == 0 ? usual : turns; }
};

// What a case found: a JSON line. `ratio` says how near it comes to its floor: higher is better, 1 is as fast as the
// floor (where `unit` is "bytes/byte", a size: lower is better).
struct Figure {
  double value = 0;  // in `unit`
  std::string unit;
  double floor = 0;  // in the same unit: what a plain loop, or the machine, does at the same work
  double ratio = 0;
  std::string part = {};                                         // follows the case's name: ".absl"
  std::vector<std::pair<std::string, std::string>> fields = {};  // the line's others: names and JSON values

  Figure& With(const std::string& name, double number);
  Figure& With(const std::string& name, const std::string& word);
};

// Prints a figure as soon as it is known: some cases take minutes.
using Report = std::function<void(const Figure&)>;

// A benchmark. It measures itself and its floor in turns, so that a machine that slows down slows both, and fails when
// its result is wrong.
struct Case {
  const char* name;
  const char* what;
  const char* floor;  // what the floor is
  Status (*run)(const Options& options, const Report& report);
};

Status TablePull(const Options& options, const Report& report);
Status TablePush(const Options& options, const Report& report);
Status TableInsert(const Options& options, const Report& report);
Status TableGrowth(const Options& options, const Report& report);
Status TableShards(const Options& options, const Report& report);
Status TableBytesPerRow(const Options& options, const Report& report);
Status TableCapacity(const Options& options, const Report& report);
Status TableSpill(const Options& options, const Report& report);
Status CheckpointWrite(const Options& options, const Report& report);
Status CheckpointRestore(const Options& options, const Report& report);
Status CheckpointMemory(const Options& options, const Report& report);
Status CheckpointStall(const Options& options, const Report& report);
Status CheckpointDelta(const Options& options, const Report& report);
Status TrainCompute(const Options& options, const Report& report);
Status TrainComputeBf16(const Options& options, const Report& report);
Status TrainDeepFm(const Options& options, const Report& report);
Status TrainDeepFmBf16(const Options& options, const Report& report);
Status TrainDeepFmSmall(const Options& options, const Report& report);
Status TrainWideDeep(const Options& options, const Report& report);
Status TrainNeuMf(const Options& options, const Report& report);
Status TrainNeuMf4096(const Options& options, const Report& report);
Status TrainFm(const Options& options, const Report& report);
Status TrainOverhead(const Options& options, const Report& report);
Status TrainLatency(const Options& options, const Report& report);
Status DataTsv(const Options& options, const Report& report);
Status DataConvert(const Options& options, const Report& report);
Status DataRowFile(const Options& options, const Report& report);
Status DataTraining(const Options& options, const Report& report);
Status DataGrowth(const Options& options, const Report& report);
Status TrainBytes(const Options& options, const Report& report);
Status FaultReplicas(const Options& options, const Report& report);
Status WirePushPull(const Options& options, const Report& report);

// Says on stderr that a case, or a part of it, was not run and why.
void Skip(const char* name, const std::string& why);

// Seconds that `function` takes.
double Seconds(const std::function<void()>& function);
double Median(std::vector<double> values);

using Contender = std::function<void()>;

constexpr int kTurns = 7;        // of contenders that take long
constexpr int kShortTurns = 25;  // of those that take some milliseconds: other programs disturb few of them

// Which contender is the fastest, by the median of some turns.
std::size_t FastestOf(const std::vector<Contender>& contenders, int turns);

// Runs the contenders in turns, so many times, and returns the figure of the medians: `work` units done by each run of
// any. The floor is the fastest of `floors`.
Figure CompareInTurns(double work, const std::string& unit, const Contender& measured,
                      const std::vector<Contender>& floors, int turns = kTurns);

}  // namespace sherd::bench
