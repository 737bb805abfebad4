#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "proto/data_statistics.pb.h"
#include "proto/job.pb.h"

namespace sherd {

// The one door to protobuf's text format.

// Parses a job file and checks every `rule` of proto/job.proto. On failure the text lists everything that is wrong, one
// problem a line: `job.pbtxt:12: train.batch_size: 0 is outside 1..1048576`. A syntax error stops at the first.
Result<proto::Job> ParseJob(const std::string& text, const std::string& file_name);

// The problems of a job's values alone (flags may have changed them): the same checks, without lines.
std::vector<std::string> FindRuleViolations(const proto::Job& job);

std::string JobToText(const proto::Job& job);

// The statistics that `sherd convert` leaves. BadData: the text is no such thing, or of another version.
std::string StatisticsToText(const proto::DataStatistics& statistics);
Result<proto::DataStatistics> ParseStatistics(const std::string& text, const std::string& file_name);

// Sets the field at a path ("train.batch_size", "data.train") by text, as flags do: a number, an enum's name in any
// case, a string; a comma list replaces a repeated field. The path must be one of proto/job.proto. Invalid says what is
// wrong with the value and not which field it is: "0 is outside 1..1048576".
Status SetJobField(proto::Job* job, const std::string& path, const std::string& value);

// What a person should look at when the fingerprints differ: the parts of features, tables and model that are not the
// same, one a line: `model.embedding_dim: 16 there, 32 here`.
std::vector<std::string> ModelDifferences(const proto::Job& there, const proto::Job& here);

// The same of what may differ when a job goes on: how it is trained and evaluated, rates of its optimizers, storage.
std::vector<std::string> TrainingDifferences(const proto::Job& there, const proto::Job& here);

// A hash of what must not change between a checkpoint and the job that resumes it: features, tables and model. Learning
// rates, epochs, files and the cluster may.
std::uint64_t ModelFingerprint(const proto::Job& job);

}  // namespace sherd
