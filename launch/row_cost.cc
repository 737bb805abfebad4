#include "launch/row_cost.h"

#include "ps/optimizer/row_optimizer.h"

namespace sherd {
namespace {

constexpr double kIndexEntry = 12;   // key and position
constexpr double kMeanFill = 0.785;  // an index is 70 to 88 % full
constexpr std::uint64_t kMark = 4;   // a row's last use, or how often it was used

std::uint64_t WeightBytes(proto::RowStorage::Precision precision, std::uint64_t dim) {
  switch (precision) {
    case proto::RowStorage::FP32:
      return 4 * dim;
    case proto::RowStorage::BF16:
    case proto::RowStorage::FP16:
      return 2 * dim;
    case proto::RowStorage::INT8:
      break;
  }
  return dim + 4;  // and the segment's scale
}

}  // namespace

bool Evicts(const proto::RowStorage& storage) {
  return storage.max_rows() > 0 || storage.max_bytes() > 0 || storage.at_budget() == proto::RowStorage::EVICT;
}

Result<RowCost> MemoryOfRow(const proto::TableSpec& spec) {
  const proto::RowStorage& storage = spec.storage();
  RowCost row{.index = kIndexEntry / kMeanFill};
  for (const proto::SegmentSpec& segment : spec.segment()) {
    row.weights += WeightBytes(storage.weights(), segment.dim());
    ASSIGN_OR_RETURN(const auto optimizer,
                     MakeRowOptimizer(segment.optimizer(), "table '" + spec.name() + "': " + segment.name()));
    const std::uint64_t width = storage.state() == proto::RowStorage::BF16 ? 2 : 4;
    // Rows that are only served have no state.
    if (storage.weights() != proto::RowStorage::INT8) row.state += width * optimizer->state_floats(segment.dim());
  }
  const bool ages = storage.max_age_clocks() > 0 || storage.max_age_seconds() > 0;
  const bool frequent = storage.use() == proto::RowStorage::FREQUENT;
  if (ages || (Evicts(storage) && !frequent)) row.use += kMark;
  if (Evicts(storage) && frequent) row.use += kMark;
  return row;
}

}  // namespace sherd
