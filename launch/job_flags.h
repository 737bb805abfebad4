#pragma once

#include <span>
#include <string>
#include <vector>

#include "proto/job.pb.h"

namespace sherd {

// A command-line flag that overrides one field of the job file.
struct JobFlag {
  const char* name;   // "epochs"
  const char* field;  // "train.epochs"
  const char* value;  // for the help: "N"
  const char* help;
};

std::span<const JobFlag> JobFlags();
// The flag is of `sherd recommend` alone.
bool IsOfRecommending(const std::string& flag);

struct FlagValue {
  std::string name;  // of a JobFlag
  std::string value;
};

// Sets the fields of the flags that were given. The problems are named as flags: `--epochs: 0 is outside 1..100000`.
// Paths on the command line are relative to the current folder (input files: to --data_dir where it is given), unlike
// those of a job file.
std::vector<std::string> ApplyFlags(const std::vector<FlagValue>& flags, proto::Job* job);

// A path of the command line, which must not be empty, from the current folder.
std::string AbsolutePath(const std::string& path);

}  // namespace sherd
