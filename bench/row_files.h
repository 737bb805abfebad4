#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/job.pb.h"
#include "worker/data/dataset.h"

namespace sherd::bench {

// A Criteo TSV file as a row file: numbers, and tokens as keys.
Status ConvertClickLog(const std::string& tsv, const std::string& path);

// Decodes all minibatches of the training set once, on one thread; how many rows they have.
Result<std::uint64_t> DecodeAll(Dataset* dataset);

}  // namespace sherd::bench
