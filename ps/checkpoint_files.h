#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "ps/shard_file_reader.h"

namespace sherd {

// The files of a manifest that have slots of [first, end), in the order in which they are to be read: of each slot one
// full file and then the deltas since. BadData: some slot has none, or two, or a delta has none before it.
Result<std::vector<const proto::ShardFile*>> FilesOfSlots(const proto::Manifest& manifest, Slot first, Slot end);

// A file of a manifest can not be opened: says besides whose disk it was written to, if that was a host's own.
Status CannotOpen(const Status& status, const proto::ShardFile& file);

// Opens a file that the manifest in `dir` names. BadData: it is not the one that the manifest describes. NotFound: it
// is not there, or on another host's disk.
Result<std::unique_ptr<ShardFileReader>> OpenShardFile(const std::string& dir, const proto::ShardFile& file);

// Of a file all of whose bytes may have been read: are they those that the manifest describes?
Status CheckContents(const ShardFileReader& reader, const proto::ShardFile& file);

}  // namespace sherd
