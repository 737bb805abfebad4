#include "launch/row_cost.h"

#include "ps/row_layout.h"

namespace sherd {
namespace {

constexpr double kIndexEntry = 12.8;  // five in a bucket of 64 bytes
constexpr double kMeanFill = 0.78;    // an index is 71 to 85 % full

std::uint64_t FieldBytes(std::uint32_t offset) { return offset == 0 ? 0 : sizeof(std::uint32_t); }

}  // namespace

bool Evicts(const proto::RowStorage& storage) {
  return storage.max_rows() > 0 || storage.max_bytes() > 0 || storage.at_budget() == proto::RowStorage::EVICT;
}

Result<RowCost> MemoryOfRow(const proto::TableSpec& spec) {
  ASSIGN_OR_RETURN(const RowLayout layout, RowLayout::Make(spec));
  const RowLayout::Usage& usage = layout.usage();
  RowCost row{.index = kIndexEntry / kMeanFill, .weights = layout.weight_bytes()};
  row.use = FieldBytes(usage.clock) + FieldBytes(usage.second) + FieldBytes(usage.count);
  row.state = layout.row_bytes() - row.weights - row.use;
  return row;
}

}  // namespace sherd
