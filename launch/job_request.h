#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launch/job_flags.h"

namespace sherd {

// What the command line asks for.
struct JobRequest {
  enum class Command { kTrain, kEvaluate, kPredict, kCheck, kPlan };

  Command command = Command::kTrain;
  std::string job_file;  // evaluate and predict may do without: the checkpoint holds the job it came from
  std::vector<FlagValue> flags;
  bool resume = false;     // train: from the newest checkpoint of the job's folder
  std::string checkpoint;  // evaluate, predict: its folder; empty: the newest of the job's folder
  std::string input;       // predict: files, separated by commas
  std::string output;      // predict
  std::string metrics;     // file; empty: none
  // plan: rows to read at least, seconds to train at most, and whether the answer is for programs; texts: as given
  std::string sample_rows, seconds;
  bool json = false;
};

}  // namespace sherd
