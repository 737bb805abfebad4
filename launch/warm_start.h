#pragma once

#include "base/status.h"
#include "proto/job.pb.h"
#include "proto/model_spec.pb.h"
#include "proto/wire.pb.h"

namespace sherd {

// What a job's warm_start means for its model, of whose tables and tensors each is either loaded or fresh: the parts to
// be loaded, by name, without the folder. Invalid lists everything that is wrong, one problem a line: what is in
// neither list or in both, patterns that stand for nothing, names that the checkpoint does not have, other segments or
// shapes there.
Result<proto::LoadCheckpoint> ResolveWarmStart(const proto::WarmStart& wanted, const proto::ModelSpec& ours,
                                               const proto::ModelSpec& theirs);

}  // namespace sherd
