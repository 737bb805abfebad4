#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "launch/job_loading.h"
#include "launch/plan/key_sample.h"
#include "models/feature_layout.h"
#include "proto/checkpoint.pb.h"
#include "worker/data/dataset.h"

namespace sherd {

// Some of a job's training rows: whole chunks, in the order in which the first epoch would have them, which is no order
// of the files. Thread-compatible.
struct DataSample {
  std::vector<proto::Chunk> chunks;  // those that were read, numbered from 0
  std::uint64_t rows = 0;            // good ones of them, with their negatives
  double all_rows = 0;               // of the training files: estimated by their bytes, unless all were read
  bool whole = false;                // all were read
  proto::Statistics statistics;
  struct Field {
    std::string name;
    int table;
    KeySample keys;
  };
  std::vector<Field> fields;      // in the order of the tables and their fields
  std::vector<KeySample> tables;  // keys of all fields together
};

// Reads at least `rows` rows, where there are so many. Refers to `loaded` and `layout` no more when it is done.
Result<DataSample> ReadSample(const LoadedJob& loaded, const FeatureLayout& layout, std::uint64_t rows);

}  // namespace sherd
