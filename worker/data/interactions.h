#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "models/feature_layout.h"
#include "proto/checkpoint.pb.h"
#include "proto/job.pb.h"
#include "worker/data/bad_row_log.h"
#include "worker/data/candidate_lists.h"
#include "worker/data/schema.h"
#include "worker/data/user_items.h"
#include "worker/data/vocabulary.h"

namespace sherd {

// All interactions of a job, as numbers of users and items, in memory: 16 bytes each whatever data.in_memory_bytes
// says, since negatives need to know them all. Immutable once loaded.
struct Interactions {
  struct File {
    std::string path;
    std::vector<Interaction> rows;
    std::vector<std::int64_t> times;  // [rows] with data.user_item.sequences and a time column, else empty
  };

  Vocabulary users, items;
  // By proto::Chunk::Set. Rows that are left out of a training file for evaluation stand in a file of the same path
  // there.
  std::array<std::vector<File>, 3> sets;
  // Items 0..catalogue-1 are those of the training rows, ascending by hash; the others follow, ascending too.
  std::uint32_t catalogue = 0;
  std::optional<CandidateLists> test_candidates;  // from data.user_item.candidates_file

  // To predict and to recommend nothing is left out for evaluation. To predict, bad rows keep their places; to
  // recommend, the texts of users and items are kept.
  enum class Purpose { kTrain, kPredict, kRecommend };
  static Result<Interactions> Load(const proto::Job& job, const FeatureLayout& layout, const Schema& schema,
                                   Purpose purpose, BadRowLog* log);
  std::uint64_t rows(proto::Chunk::Set set) const;
};

}  // namespace sherd
