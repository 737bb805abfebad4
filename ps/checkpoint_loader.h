#pragma once

#include <string>

#include "base/status.h"
#include "ps/shard_store.h"

namespace sherd {

// Fills a shard from the checkpoint in `dir`, whatever number of shards wrote it: what the shard held is dropped, and
// of the files only the slots that it owns are read, a full one and then the deltas since. Tables and tensors are found
// by name and must have the same segments, sizes and state. Takes 32 MB besides the tables. After an error the shard
// holds nothing that may be served. NotFound, BadData, and Io name the file, and the block and the slot where it is one
// of these.
Status LoadShard(const std::string& dir, ShardStore* store);

}  // namespace sherd
