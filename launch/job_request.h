#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launch/job_flags.h"

namespace sherd {

// What `sherd convert` is told besides; the texts of its flags, empty where they are not given.
struct ConvertRequest {
  std::string out;  // folder
  std::string split;
  std::string text_bytes;
  std::string threads;
  std::string min_count;
  bool keep_tokens = false;
  bool overwrite = false;
};

// What the command line asks for.
struct JobRequest {
  enum class Command { kTrain, kEvaluate, kPredict, kRecommend, kCheck, kConvert, kPlan, kDoctor, kJoin };

  Command command = Command::kTrain;
  std::string job_file;  // evaluate, predict and recommend may do without: the checkpoint holds the job it came from
  std::vector<FlagValue> flags;
  bool resume = false;     // train: from the newest checkpoint of the job's folder
  std::string checkpoint;  // evaluate, predict, recommend: its folder; empty: the newest of the job's folder
  std::string against;     // evaluate: folder of another checkpoint to compare with; empty: none
  std::string input;       // predict, recommend: files, separated by commas
  std::string output;      // predict, recommend
  std::string metrics;     // file; empty: none
  ConvertRequest convert;
  // plan: rows to read at least, seconds to train at most, and whether the answer is for programs; texts: as given
  std::string sample_rows, seconds;
  bool json = false;
  std::string role;               // join: "spare" or "worker"
  std::string key_file;           // of the keys of connections; empty: made for the job
  std::string chaos, chaos_seed;  // what is to go wrong (launch/chaos/plan.h); texts: as given
};

}  // namespace sherd
