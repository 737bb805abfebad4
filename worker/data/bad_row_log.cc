#include "worker/data/bad_row_log.h"

#include <algorithm>

namespace sherd {

proto::BadRow DescribeBadRow(const RowError& error, const std::string& place) {
  proto::BadRow row;
  row.set_reason(error.expected + ", got \"" + error.got + "\"");
  row.set_where(error.column.empty() ? place : place + ": column " + error.column);
  row.set_count(1);
  return row;
}

void BadRowLog::CountRows(std::uint64_t rows) {
  std::lock_guard lock(mutex_);
  counts_.rows += rows;
}

void BadRowLog::AddBad(const RowError& error, const std::function<std::string()>& place) {
  std::lock_guard lock(mutex_);
  ++counts_.bad_rows;
  const auto [kind, is_new] = kinds_.try_emplace({error.expected, error.column}, counts_.kinds.size());
  if (is_new) {
    counts_.kinds.push_back(DescribeBadRow(error, place()));
  } else {
    proto::BadRow& known = counts_.kinds[kind->second];
    known.set_count(known.count() + 1);
  }
}

ReadCounts BadRowLog::counts() const {
  std::lock_guard lock(mutex_);
  return counts_;
}

Status BadRowLog::Check(double max_bad_fraction) const {
  const ReadCounts counts = this->counts();
  const double allowed = std::max(1.0, max_bad_fraction * static_cast<double>(counts.rows));
  if (static_cast<double>(counts.bad_rows) <= allowed) return {};
  return Status::BadData(std::to_string(counts.bad_rows) + " of " + std::to_string(counts.rows) +
                         " rows are malformed; the first: " + counts.kinds[0].where() + ": " +
                         counts.kinds[0].reason());
}

}  // namespace sherd
