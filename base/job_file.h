#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "proto/job.pb.h"

namespace sherd {

// The one door to protobuf's text format.

// Parses a job file and checks every `rule` of proto/job.proto. On failure the text lists everything that is wrong, one
// problem a line: `job.pbtxt:12: train.batch_size: 0 is outside 1..1048576`. A syntax error stops at the first.
Result<proto::Job> ParseJob(const std::string& text, const std::string& file_name);

// The problems of a job's values alone (flags may have changed them): the same checks, without lines.
std::vector<std::string> FindRuleViolations(const proto::Job& job);

std::string JobToText(const proto::Job& job);

// A hash of what must not change between a checkpoint and the job that resumes it: features, tables and model. Learning
// rates, epochs, files and the cluster may.
std::uint64_t ModelFingerprint(const proto::Job& job);

}  // namespace sherd
