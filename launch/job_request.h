#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launch/job_flags.h"

namespace sherd {

// What the command line asks for.
struct JobRequest {
  enum class Command { kTrain, kEvaluate, kPredict, kCheck };

  Command command = Command::kTrain;
  std::string job_file;  // evaluate and predict may do without: the checkpoint holds the job it came from
  std::vector<FlagValue> flags;
  bool resume = false;     // train: from the newest checkpoint of the job's folder
  std::string checkpoint;  // evaluate, predict: its folder; empty: the newest of the job's folder
  std::string input;       // predict: files, separated by commas
  std::string output;      // predict
  std::string metrics;     // file; empty: none
};

}  // namespace sherd
