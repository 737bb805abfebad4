#pragma once

#include <string>

#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "ps/shard_store.h"

namespace sherd {

// Writes all that a shard holds to the file of its number in `dir`, which is made if need be, and fsyncs it. Equal
// contents give equal bytes, in whatever order the rows were made. For tools and tests: a shard that goes on serving
// writes slot by slot.
Result<proto::ShardFile> WriteShardFile(ShardStore* store, const std::string& dir, bool compress = false);

}  // namespace sherd
