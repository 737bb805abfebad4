#pragma once

#include <string>

#include "base/status.h"
#include "proto/wire.pb.h"

namespace sherd {

// Deletes the checkpoints' folders in a server's folder of them that are older than the newest that is kept, but for
// those that are kept. What another shard of the same server has deleted is no error.
Status PruneLocalCheckpoints(const std::string& dir, const proto::Prune& keep);

}  // namespace sherd
