#pragma once

#include <cstdint>

#include "base/status.h"
#include "proto/model_spec.pb.h"

namespace sherd {

// What one row of a table takes in memory, in bytes, by its spec's storage (docs/tables.md).
struct RowCost {
  double index = 0;  // of the key and its place, with the index's free places, as they are on average
  std::uint64_t weights = 0, state = 0;
  std::uint64_t use = 0;  // when, and how often, the row was used: for eviction

  double total() const { return index + static_cast<double>(weights + state + use); }
};

// Invalid: a segment's optimizer can not be.
Result<RowCost> MemoryOfRow(const proto::TableSpec& spec);

// The table may have to choose rows to delete for want of room.
bool Evicts(const proto::RowStorage& storage);

}  // namespace sherd
