#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/status.h"
#include "proto/job.pb.h"
#include "worker/data/row_file.h"
#include "worker/data/token_counter.h"

namespace sherd {

// Counts the tokens of features with vocabularies in the rows of a file that `keep` takes (null: all) and that training
// could use. Nothing is read when there is none to count. Errors name the file.
Status CountTokens(const proto::Job& job, const RowFile& file, const std::function<bool(std::uint64_t row)>& keep,
                   std::vector<TokenCounter>* counters);

}  // namespace sherd
