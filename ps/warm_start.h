#pragma once

#include "base/status.h"
#include "proto/wire.pb.h"
#include "ps/shard_store.h"

namespace sherd {

// Fills tables and tensors of a store from those of a checkpoint of another model: `load.part` says which, and what
// they are called there; all else begins anew, and so does what an optimizer keeps where the checkpoint's is of another
// kind. Rows count as never used, for the clock begins at 0. After an error the store holds nothing that may be served.
// BadData: a part is not in the checkpoint, or has other segments or another shape there.
Status LoadParts(const proto::LoadCheckpoint& load, ShardStore* store);

}  // namespace sherd
