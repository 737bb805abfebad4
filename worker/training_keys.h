#pragma once

#include <vector>

#include "base/hash.h"
#include "worker/data/dataset.h"

namespace sherd {

// The keys of each table that any training row has, each once, by one pass over the rows. They are what is known of a
// job's data besides its rows: with train.dp each minibatch pulls and pushes all of them.
Result<std::vector<std::vector<Key>>> FindTrainingKeys(Dataset* dataset, std::size_t tables);

}  // namespace sherd
