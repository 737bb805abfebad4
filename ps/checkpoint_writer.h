#pragma once

#include <string>

#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "ps/shard_store.h"

namespace sherd {

// Writes all that a shard holds to the file of its number in `dir`, which is made if need be, and fsyncs it. Equal
// contents give equal bytes, in whatever order the rows were made.
Result<proto::ShardFile> WriteShardFile(ShardStore* store, const std::string& dir);

}  // namespace sherd
