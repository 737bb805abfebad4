#pragma once

#include <string>

#include "base/status.h"
#include "proto/checkpoint.pb.h"

namespace sherd {

// The file `manifest` of a checkpoint's folder: the serialized Manifest and then its CRC32C, 4 bytes little-endian. It
// is written last, so a folder without a valid one is not a checkpoint.

// Of the version that this program writes, whatever the manifest says. Atomic: the folder holds the old manifest or the
// new one, never half of one.
Status WriteManifest(const std::string& dir, const proto::Manifest& manifest);

// NotFound: there is none. BadData: it is damaged, or of a version that this program does not know.
Result<proto::Manifest> ReadManifest(const std::string& dir);

// Within a job's folder of checkpoints, the one for what servers give to each other: removed when the job ends.
inline constexpr char kCopiesFolder[] = "followers";

// The manifest of the checkpoint in `dir`, whose files are all there in their full size, as far as they are to be seen
// from this host.
Result<proto::Manifest> OpenCheckpoint(const std::string& dir);

}  // namespace sherd
