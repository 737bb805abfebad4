#pragma once

#include <vector>

#include "proto/wire.pb.h"

namespace sherd {

// Adds what a shard says of its tables to the sums over the shards, table by table, by name. The last refused key is
// that of the last shard that has one.
void AddTables(const proto::ShardStatus& status, std::vector<proto::TableStatus>* sums);

}  // namespace sherd
